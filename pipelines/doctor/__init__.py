"""What crashes, disks and hands may have left wrong: found, said, and repaired where it can be."""
