package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// decode walks the YAML tree beside the struct, instead of letting the library
// fill it: so every fault has its line, all are found in one run, and keys
// that are unknown, twice or in the wrong place can be named.
func (l *Loaded) decode(path string, body []byte) Faults {
	d := decoder{file: filepath.Base(path), source: l.source}
	dec := yaml.NewDecoder(bytes.NewReader(body))
	var doc yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil // an empty file: everything default
	case err != nil:
		return Faults{d.syntax(err)}
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return Faults{{Where: d.file, What: "holds more than one YAML document", Fix: "remove the line --- and what follows it"}}
	}
	root := doc.Content[0]
	if root.Kind == yaml.ScalarNode && root.Tag == "!!null" {
		return nil
	}
	d.structure(root, reflect.ValueOf(&l.Config).Elem(), "")
	return d.faults
}

type decoder struct {
	file   string
	source map[string]string
	faults Faults
}

func (d *decoder) at(n *yaml.Node) string { return d.file + ":" + strconv.Itoa(n.Line) }

func (d *decoder) fault(n *yaml.Node, key, what, why, fix string) {
	d.faults = append(d.faults, Fault{Where: d.at(n), Key: key, What: what, Why: why, Fix: fix})
}

var syntaxLine = regexp.MustCompile(`^yaml: line (\d+): (.*)$`)

func (d *decoder) syntax(err error) Fault {
	if m := syntaxLine.FindStringSubmatch(err.Error()); m != nil {
		return Fault{Where: d.file + ":" + m[1], What: "not YAML: " + m[2], Fix: "check the indentation (two blanks, no tabs) and quotes around this line"}
	}
	return Fault{Where: d.file, What: "not YAML: " + strings.TrimPrefix(err.Error(), "yaml: ")}
}

func (d *decoder) structure(n *yaml.Node, v reflect.Value, prefix string) {
	name := strings.TrimSuffix(prefix, ".")
	if n.Kind != yaml.MappingNode {
		d.fault(n, name, "must hold keys", "", "write its keys below it, indented; keyward.example.yaml shows them")
		return
	}
	fields := make(map[string]int, v.NumField())
	var keys []string
	for i := range v.NumField() {
		k := key(v.Type().Field(i))
		fields[k] = i
		keys = append(keys, k)
	}
	seen := make(map[string]int)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, value := n.Content[i], n.Content[i+1]
		path := prefix + k.Value
		if line, twice := seen[k.Value]; twice {
			d.fault(k, path, fmt.Sprintf("is set a second time (first in line %d)", line),
				"which of the two counts would be a guess", "remove one")
			continue
		}
		seen[k.Value] = k.Line
		at, ok := fields[k.Value]
		if !ok {
			d.unknown(k, path, prefix, keys)
			continue
		}
		d.value(value, v.Field(at), path)
	}
}

func (d *decoder) unknown(k *yaml.Node, path, prefix string, siblings []string) {
	fix := "remove it; keyward.example.yaml lists every key"
	if near, ok := nearest(k.Value, siblings); ok {
		fix = "did you mean " + prefix + near + "?"
	} else if p, ok := elsewhere(k.Value); ok {
		fix = "did you mean " + p + "?"
	}
	d.fault(k, path, "is not a key", "a setting that is silently ignored is a setting somebody relies on", fix)
}

// elsewhere finds a key that exists, but at another place.
func elsewhere(name string) (string, bool) {
	for _, p := range Keys() {
		if p == name || strings.HasSuffix(p, "."+name) || strings.ReplaceAll(p, ".", "_") == name {
			return p, true
		}
	}
	return "", false
}

func (d *decoder) value(n *yaml.Node, v reflect.Value, path string) {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		d.fault(n, path, "uses a YAML anchor or alias", "a value should be readable where it stands", "write the value out")
		return
	case n.Kind == yaml.ScalarNode && n.Tag == "!!null":
		return // "key:" with nothing means the default
	}
	d.source[path] = d.at(n)
	switch {
	case v.Kind() == reflect.Struct && v.Type() != prefixType:
		d.structure(n, v, path+".")
	case v.Kind() == reflect.Slice:
		d.list(n, v, path)
	case n.Kind != yaml.ScalarNode:
		d.fault(n, path, "must be one value, not a list or keys", "", "")
	default:
		if err := setText(v, n.Value); err != nil {
			d.fault(n, path, err.Error(), "", "")
		}
	}
}

func (d *decoder) list(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.SequenceNode {
		d.fault(n, path, "must be a list", "", "write [a, b], or one line per item that starts with a dash")
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, item := range n.Content {
		d.value(item, v.Index(i), fmt.Sprintf("%s[%d]", path, i))
	}
}
