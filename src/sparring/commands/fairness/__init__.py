"""Train several classifiers that treat groups alike, and choose one."""
