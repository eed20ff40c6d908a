"""Which layers run where: plans from sizes and free memory, from flags, or from a topology file."""
