-- From version 2 to version 3: what a worker records is appended by a function, and stays in its row.
SET LOCAL search_path = batchctl;

ALTER TABLE segment ALTER body SET STORAGE MAIN;
UPDATE about SET version = 3;
