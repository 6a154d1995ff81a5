"""Who may do what: requests held against roles' policies and the bucket policy. Counts nothing."""
