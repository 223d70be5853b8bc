"""What an incident's author imports: the story, its workload, what is observed, the verdict."""
