package edge

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// ReadForm decodes an urlencoded body as strictly as ReadJSON decodes JSON:
// each name once (RFC 6749 §3.1: "MUST NOT be included more than once"), except
// those listed in multiple; UTF-8 without U+0000; the query is not mixed in,
// so a link cannot fill in a form.
func ReadForm(r *http.Request, multiple ...string) (url.Values, error) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/x-www-form-urlencoded" {
		return nil, errMediaType
	}
	body, err := io.ReadAll(r.Body) // bounded by the chain
	if err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return nil, errTooLarge.Because(err)
		}
		return nil, errBadRequest.Because(err)
	}
	return DecodeForm(string(body), multiple...)
}

// DecodeForm is ReadForm for text that is already in hand, such as a query.
func DecodeForm(encoded string, multiple ...string) (url.Values, error) {
	form, err := url.ParseQuery(encoded)
	if err != nil {
		return nil, errBadRequest.At("", "not a form").Because(err)
	}
	for name, values := range form {
		if !utf8.ValidString(name) || strings.IndexByte(name, 0) >= 0 {
			return nil, errBadRequest.At("", "a field name is not text")
		}
		if len(values) > 1 && !slices.Contains(multiple, name) {
			return nil, errBadRequest.At(name, "named twice")
		}
		for _, v := range values {
			if !utf8.ValidString(v) {
				return nil, errBadRequest.At(name, "not UTF-8")
			}
			if strings.IndexByte(v, 0) >= 0 {
				return nil, errNUL.At(name, "contains U+0000")
			}
		}
	}
	return form, nil
}
