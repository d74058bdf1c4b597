-- signin: apps come in by OAuth now.
DROP TABLE signin_handoff;
