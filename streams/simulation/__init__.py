"""An invented pharmacy whose delays are not invented: they come from people, queues and the hour of the week.

Orders and prescriptions arrive as they do in life, wait for whoever is on duty, take as long as such work takes, are
sent back, held and corrected. Nothing here decides a turnaround time; it is what is left when the work has been done.
"""
