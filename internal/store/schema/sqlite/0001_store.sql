-- Small values by name: the wrapped root secret, key sets, the demo seed.
CREATE TABLE store_meta (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;
