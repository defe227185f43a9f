"""The composition root: builds every part and starts what runs; knows everybody."""
