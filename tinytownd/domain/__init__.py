"""What a town is made of: frozen data, transition tables and pure rules. No I/O."""
