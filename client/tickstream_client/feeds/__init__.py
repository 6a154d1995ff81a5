"""What the pipeline would make of a vendor's file, by the functions' own code, without AWS."""
