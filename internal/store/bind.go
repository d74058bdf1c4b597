package store

import (
	"database/sql/driver"
	"fmt"
	"math"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"
)

// bind brings arguments to the few types that both drivers store alike:
// int64, float64, bool, string, []byte and nil. It works in place, on the slice
// that the variadic call made.
//
// The drivers differ where it hurts: one refuses NUL and broken UTF-8 in text,
// the other keeps them; one formats a time.Time as text, the other refuses it.
// An attacker who can send a NUL must meet the same answer on both.
func bind(args []any) error {
	for i, a := range args {
		v, err := bindOne(a)
		if err != nil {
			return fmt.Errorf("store: argument $%d: %w", i+1, err)
		}
		args[i] = v
	}
	return nil
}

func bindOne(a any) (any, error) {
	switch v := a.(type) {
	case nil, int64, bool, float64:
		return a, nil
	case string:
		return v, checkText(v)
	case []byte:
		if v == nil {
			return nil, nil
		}
		return a, nil
	case int:
		return int64(v), nil
	case time.Time:
		return nil, fmt.Errorf("a time.Time is not stored; use store.Micros")
	case driver.Valuer:
		if rv := reflect.ValueOf(v); rv.Kind() == reflect.Pointer && rv.IsNil() {
			return nil, nil
		}
		w, err := v.Value()
		if err != nil {
			return nil, err
		}
		if _, again := w.(driver.Valuer); again {
			return nil, fmt.Errorf("%T yields another Valuer", a)
		}
		return bindOne(w)
	}
	return bindKind(reflect.ValueOf(a))
}

// bindKind serves named types (account.ID), small integers, byte arrays and pointers.
func bindKind(v reflect.Value) (any, error) {
	switch v.Kind() {
	case reflect.String:
		s := v.String()
		return s, checkText(s)
	case reflect.Bool:
		return v.Bool(), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return v.Int(), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if u := v.Uint(); u <= math.MaxInt64 {
			return int64(u), nil
		}
		return nil, fmt.Errorf("%d does not fit a BIGINT", v.Uint())
	case reflect.Float32, reflect.Float64:
		return v.Float(), nil
	case reflect.Pointer:
		if v.IsNil() {
			return nil, nil
		}
		return bindOne(v.Elem().Interface())
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			if v.IsNil() {
				return nil, nil
			}
			return v.Bytes(), nil
		}
	case reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			b := make([]byte, v.Len())
			reflect.Copy(reflect.ValueOf(b), v)
			return b, nil
		}
	}
	return nil, fmt.Errorf("a %s is not stored", v.Type())
}

func checkText(s string) error {
	if strings.IndexByte(s, 0) >= 0 {
		return fmt.Errorf("text with a NUL byte")
	}
	if !utf8.ValidString(s) {
		return fmt.Errorf("text that is not UTF-8")
	}
	return nil
}

// reads reports whether q only reads. A WITH may lead to any verb; when one of
// the writing words appears in it at all, it counts as a write.
func reads(q string) bool {
	q = strings.TrimLeft(q, " \t\r\n(")
	for strings.HasPrefix(q, "--") {
		_, rest, _ := strings.Cut(q, "\n")
		q = strings.TrimLeft(rest, " \t\r\n(")
	}
	verb := q
	if i := strings.IndexAny(q, " \t\r\n("); i >= 0 {
		verb = q[:i]
	}
	switch strings.ToUpper(verb) {
	case "SELECT", "VALUES", "EXPLAIN":
		return true
	case "WITH":
		for _, w := range strings.FieldsFunc(q, func(r rune) bool { return r == ' ' || r == '\t' || r == '\n' || r == '\r' || r == '(' || r == ')' }) {
			switch strings.ToUpper(w) {
			case "INSERT", "UPDATE", "DELETE":
				return false
			}
		}
		return true
	}
	return false
}
