package signintest

import (
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/jackc/pgx/v5/stdlib"
)

// Challenge is the challenge in the options of a ceremony.
func Challenge(options []byte) string {
	var o struct {
		Challenge string `json:"challenge"`
	}
	_ = json.Unmarshal(options, &o)
	return o.Challenge
}

// Dump is everything that stands in the tables of a database, as a thief of a
// backup would read it: one line per row, bytes also in hex. For SQLite the files
// themselves follow, with what was deleted and not overwritten.
func Dump(url string) (tables string, files []byte, err error) {
	driver, dsn := "pgx", url
	list := `SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1`
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
		driver, dsn = "sqlite", "file:"+path+"?mode=ro"
		list = `SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1`
		for _, f := range []string{path, path + "-wal"} {
			b, err := os.ReadFile(f)
			if err != nil && !os.IsNotExist(err) {
				return "", nil, err
			}
			files = append(files, b...)
		}
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return "", nil, err
	}
	defer db.Close()
	names, err := column(db, list)
	if err != nil {
		return "", nil, err
	}
	var out strings.Builder
	for _, name := range names {
		if err := dump(&out, db, name); err != nil {
			return "", nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return out.String(), files, nil
}

func column(db *sql.DB, q string) (out []string, err error) {
	rows, err := db.Query(q)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, rows.Err()
}

func dump(out *strings.Builder, db *sql.DB, table string) error {
	rows, err := db.Query(`SELECT * FROM ` + table)
	if err != nil {
		return err
	}
	defer rows.Close()
	cols, err := rows.Columns()
	if err != nil {
		return err
	}
	values := make([]any, len(cols))
	dest := make([]any, len(cols))
	for i := range values {
		dest[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return err
		}
		out.WriteString(table)
		for i, v := range values {
			if b, ok := v.([]byte); ok {
				fmt.Fprintf(out, " %s=%x=%q", cols[i], b, b)
			} else {
				fmt.Fprintf(out, " %s=%v", cols[i], v)
			}
		}
		out.WriteByte('\n')
	}
	return rows.Err()
}

// Spellings are the forms in which a secret could lie about: as it is, its parts,
// and the bytes that it spells, raw and in hex.
func Spellings(secret string) (out []string) {
	for _, part := range append([]string{secret}, strings.Split(secret, ".")...) {
		if len(part) < 16 || strings.HasPrefix(part, "ses_") || strings.HasPrefix(part, "fam_") || strings.HasPrefix(part, "cnt_") || strings.HasPrefix(part, "kwa_ses_") {
			continue // names and small numbers are no secrets
		}
		out = append(out, part)
		if b, err := base64.RawURLEncoding.DecodeString(part); err == nil {
			out = append(out, string(b), hex.EncodeToString(b))
		}
	}
	return out
}

var _ = stdlib.GetDefaultDriver // registers pgx; SQLite is registered by store
