"""Records in SQL: tables, their migrations, and the stores that other packages ask for.

There are two lines of databases, each with its own files and its own versions: that of a node (one
a deployment) and that of an environment. How to add a table: declare it in a module here on the
line's metadata, and add the next numbered migration to ``migrations/<line>/versions``.
"""
