-- Run once, by the image's first start, in the database POSTGRES_DB.
CREATE EXTENSION workflow;
