"""How parts are worked on and kept: engines, processes, the step contract, files of a build."""
