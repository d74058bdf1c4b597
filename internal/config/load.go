package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"strings"
)

// Loaded is a complete Config that remembers where each value came from.
type Loaded struct {
	Config
	source map[string]string // key path → "keyward.yaml:12", "KEYWARD_…", absent: default
}

// Load reads the file (none when path is empty), lays the environment over it,
// fetches secrets from their files, fills in defaults and checks everything.
// The error is Faults when the content is wrong. environ is os.Environ().
func Load(path string, environ []string) (Loaded, error) {
	l := Loaded{source: make(map[string]string)}
	var faults Faults
	if path != "" {
		body, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return Loaded{}, Faults{{Where: path, What: "the configuration file is not there",
				Fix: "copy keyward.example.yaml to this place and edit it, or name another file with -c"}}
		}
		if err != nil {
			return Loaded{}, fmt.Errorf("config: %w", err)
		}
		faults = append(faults, l.decode(path, body)...)
	}
	faults = append(faults, l.environment(environ)...)
	faults = append(faults, l.secretFiles()...)
	if len(faults) > 0 {
		return Loaded{}, faults // checking values that were not read would only add noise
	}
	complete, err := l.Config.Complete()
	var wrong Faults
	if errors.As(err, &wrong) {
		return Loaded{}, l.Located(wrong)
	}
	l.Config = complete
	return l, nil
}

// Located adds to faults the lines they come from; for those that whoever opens
// what the configuration names finds, too.
func (l Loaded) Located(faults Faults) Faults {
	for i := range faults {
		faults[i].Where = l.where(faults[i].Key)
	}
	return faults
}

// where finds the line of a key, or of the closest enclosing one that was set.
func (l Loaded) where(path string) string {
	for p := path; p != ""; {
		if s, ok := l.source[p]; ok {
			return s
		}
		i := strings.LastIndexAny(p, ".[")
		p = p[:max(i, 0)]
	}
	return "default"
}

// EnvPrefix starts the name of every variable that overrides a key.
const EnvPrefix = "KEYWARD_"

func envName(path string) string {
	return EnvPrefix + strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
}

// environment lays KEYWARD_… over the file. Lists are separated by commas;
// back ends are too rich for a variable. A variable that nearly is one of ours
// is a typing mistake and refused; others are left alone, since container
// platforms inject names such as KEYWARD_SERVICE_HOST by themselves.
func (l *Loaded) environment(environ []string) Faults {
	known := make(map[string]leaf)
	var names []string
	for _, lf := range leaves(reflect.ValueOf(&l.Config).Elem(), "") {
		if strings.ContainsRune(lf.path, '[') {
			continue // an element of a list from the file
		}
		known[envName(lf.path)] = lf
		names = append(names, envName(lf.path))
	}
	var faults Faults
	for _, kv := range environ {
		name, value, _ := strings.Cut(kv, "=")
		if !strings.HasPrefix(name, EnvPrefix) {
			continue
		}
		lf, ok := known[name]
		if !ok {
			if near, found := nearest(name, names); found {
				faults = append(faults, Fault{Where: name, What: "no key has this name",
					Why: "a setting that is silently ignored is a setting somebody relies on", Fix: "did you mean " + near + "?"})
			}
			continue
		}
		l.override(lf.path)
		l.source[lf.path] = name
		if err := setList(lf.value, value); err != nil {
			faults = append(faults, Fault{Where: name, Key: lf.path, What: err.Error()})
		}
	}
	return faults
}

// override: a secret from the environment wins over its file form in the
// yaml, and the other way round; only two of one kind contradict each other.
func (l *Loaded) override(path string) {
	v := reflect.ValueOf(&l.Config).Elem()
	for _, lf := range leaves(v, "") {
		twin := lf.path == path+"_file" || lf.path+"_file" == path
		if twin && !strings.HasPrefix(l.source[lf.path], EnvPrefix) {
			lf.value.SetZero()
			delete(l.source, lf.path)
		}
	}
}

func setList(v reflect.Value, value string) error {
	if v.Kind() != reflect.Slice {
		return setText(v, value)
	}
	v.SetZero()
	for item := range strings.SplitSeq(value, ",") {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		elem := reflect.New(v.Type().Elem()).Elem()
		if err := setText(elem, item); err != nil {
			return fmt.Errorf("each item %w", err)
		}
		v.Set(reflect.Append(v, elem))
	}
	return nil
}

// secretFiles reads database.url_file and mail.password_file.
func (l *Loaded) secretFiles() Faults {
	var faults Faults
	for _, s := range []struct {
		path         string
		value, file  *string
		whatItStores string
	}{
		{"database.url", &l.Database.URL, &l.Database.URLFile, "the database URL"},
		{"mail.password", &l.Mail.Password, &l.Mail.PasswordFile, "the mail password"},
	} {
		if *s.file == "" {
			continue
		}
		fileKey := s.path + "_file"
		if *s.value != "" {
			faults = append(faults, Fault{Where: l.where(fileKey), Key: fileKey,
				What: s.path + " is set as well", Why: "two sources for one secret: one of them is stale", Fix: "keep one"})
			continue
		}
		body, err := os.ReadFile(*s.file)
		if err != nil {
			faults = append(faults, Fault{Where: l.where(fileKey), Key: fileKey,
				What: "cannot read the file: " + err.Error(), Fix: "put " + s.whatItStores + " there, readable by the user Keyward runs as"})
			continue
		}
		*s.value = strings.TrimRight(string(body), "\r\n")
		if *s.value == "" || strings.ContainsAny(*s.value, "\x00\n\r") {
			faults = append(faults, Fault{Where: l.where(fileKey), Key: fileKey, What: "the file must hold one line"})
		}
		l.source[s.path] = "file " + *s.file
	}
	return faults
}
