"""Cross-cluster replication: what a follower decides. Nothing in here touches sockets, disks or time."""
