"""Every incident against every chapter's end: cells, the staircase, the terminal."""
