package edge

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

var (
	errBadRequest   = E("bad_request")
	errUnknownField = E("unknown_field")
	errMediaType    = E("unsupported_media_type")
)

// ReadJSON decodes the one JSON value of the body into dst, strictly: the
// content type must say so, field names must match exactly and once, depth is
// bounded, text is UTF-8 without U+0000. Two readers of one body must never be
// able to disagree about what it said; encoding/json alone takes the last of
// two equal keys, matches names without case and repairs broken UTF-8.
//
// Errors are *Error values that point at the place.
func ReadJSON(r *http.Request, dst any) error {
	if !jsonType(r.Header.Get("Content-Type")) {
		return errMediaType
	}
	body, err := io.ReadAll(r.Body) // bounded by the chain
	if err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return errTooLarge.Because(err)
		}
		return errBadRequest.Because(err)
	}
	return DecodeJSON(body, dst)
}

// DecodeJSON is ReadJSON for bytes that are already in hand.
func DecodeJSON(body []byte, dst any) error {
	if !utf8.Valid(body) {
		return errBadRequest.At("", "not UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	if err := walkJSON(dec, reflect.TypeOf(dst), "", 0); err != nil {
		var e *Error
		if errors.As(err, &e) {
			return e
		}
		return errBadRequest.At("", "not JSON").Because(err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return errBadRequest.At("", "more than one JSON value")
	}
	dec = json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(dst); err != nil {
		var typ *json.UnmarshalTypeError
		if errors.As(err, &typ) {
			return errBadRequest.At("/"+strings.ReplaceAll(typ.Field, ".", "/"), "wrong kind of value").Because(err)
		}
		if strings.HasPrefix(err.Error(), "json: unknown field") { // the walk names the place in all but exotic embeddings
			return errUnknownField.Because(err)
		}
		return errBadRequest.Because(err)
	}
	return nil
}

func jsonType(header string) bool {
	media, params, err := mime.ParseMediaType(header)
	if err != nil || media != "application/json" {
		return false
	}
	charset, given := params["charset"]
	return !given || strings.EqualFold(charset, "utf-8")
}

// walkJSON reads one value and holds it against the type it is meant for; a
// nil type means anything goes below (RawMessage, any, own decoders).
func walkJSON(dec *json.Decoder, typ reflect.Type, at string, depth int) error {
	if depth > jsonDepth {
		return errBadRequest.At(at, "nested too deeply")
	}
	tok, err := dec.Token()
	if err != nil {
		return err
	}
	switch tok {
	case json.Delim('{'):
		return walkObject(dec, typ, at, depth)
	case json.Delim('['):
		elem := elemType(typ, reflect.Slice, reflect.Array)
		for i := 0; dec.More(); i++ {
			if err := walkJSON(dec, elem, at+"/"+strconv.Itoa(i), depth+1); err != nil {
				return err
			}
		}
		_, err = dec.Token()
		return err
	}
	if s, ok := tok.(string); ok && strings.IndexByte(s, 0) >= 0 {
		return errNUL.At(at, "contains U+0000")
	}
	return nil
}

func walkObject(dec *json.Decoder, typ reflect.Type, at string, depth int) error {
	known, isStruct := fieldsOf(typ)
	elem := elemType(typ, reflect.Map)
	var seen map[string]bool
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return err
		}
		name, ok := tok.(string)
		if !ok {
			return fmt.Errorf("object key is %T", tok)
		}
		here := at + "/" + pointerEscaper.Replace(name)
		if strings.IndexByte(name, 0) >= 0 {
			return errNUL.At(at, "a field name contains U+0000")
		}
		fold := strings.ToLower(name)
		if seen[fold] {
			return errBadRequest.At(here, "named twice")
		}
		if seen == nil {
			seen = make(map[string]bool, 8)
		}
		seen[fold] = true
		child := elem
		if isStruct {
			if child, ok = known[name]; !ok {
				return errUnknownField.At(here, "not known here")
			}
		}
		if err := walkJSON(dec, child, here, depth+1); err != nil {
			return err
		}
	}
	_, err := dec.Token()
	return err
}

var pointerEscaper = strings.NewReplacer("~", "~0", "/", "~1") // RFC 6901 §3

var unmarshalerType = reflect.TypeFor[json.Unmarshaler]()

// plain strips pointers; nil for types that decode themselves.
func plain(typ reflect.Type) reflect.Type {
	for typ != nil && typ.Kind() == reflect.Pointer {
		if typ.Implements(unmarshalerType) {
			return nil
		}
		typ = typ.Elem()
	}
	if typ == nil || typ.Kind() == reflect.Interface || reflect.PointerTo(typ).Implements(unmarshalerType) {
		return nil
	}
	return typ
}

func elemType(typ reflect.Type, kinds ...reflect.Kind) reflect.Type {
	if typ = plain(typ); typ == nil {
		return nil
	}
	for _, k := range kinds {
		if typ.Kind() == k {
			return typ.Elem()
		}
	}
	return nil
}

var fieldCache sync.Map // reflect.Type → map[string]reflect.Type; bounded by the types of the program

// fieldsOf maps the exact JSON names of a struct to the types of its fields.
func fieldsOf(typ reflect.Type) (map[string]reflect.Type, bool) {
	if typ = plain(typ); typ == nil || typ.Kind() != reflect.Struct {
		return nil, false
	}
	if m, ok := fieldCache.Load(typ); ok {
		return m.(map[string]reflect.Type), true
	}
	m := make(map[string]reflect.Type)
	for _, f := range reflect.VisibleFields(typ) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-" || !f.IsExported():
		case name != "":
			m[name] = f.Type
		case !f.Anonymous:
			m[f.Name] = f.Type
		}
	}
	fieldCache.Store(typ, m)
	return m, true
}
