package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"
)

// Static files live under /static/<version>/, where version is a hash over all of them. One version for the whole folder,
// because a sheet imports a sheet and a module imports modules by relative name: each import carries the version by itself.

// file is one static file. body never changes; zipped is made once, when first asked for.
type file struct {
	body   []byte
	kind   string
	zip    sync.Once // guards zipped
	zipped []byte
}

// kinds are the only types we serve; anything else in the folder (README.md, licences) is not for browsers.
var kinds = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}

func (r *Renderer) loadStatic() error {
	sum := sha256.New()
	r.assets = map[string]*file{}
	err := fs.WalkDir(r.files, "static", func(name string, d fs.DirEntry, err error) error {
		kind, served := kinds[path.Ext(name)]
		if err != nil || d.IsDir() || !served {
			return err
		}
		body, err := fs.ReadFile(r.files, name)
		if err != nil {
			return err
		}
		sum.Write([]byte(name))
		sum.Write(body)
		r.assets[strings.TrimPrefix(name, "static/")] = &file{body: body, kind: kind}
		return nil
	})
	r.version = hex.EncodeToString(sum.Sum(nil)[:6])
	return err
}

// asset is the address of a static file. A name that does not exist stays in the page and fails the page tests.
func (r *Renderer) asset(name string) string { return "/static/" + r.version + "/" + name }

// Asset is the address of a static file, for pages outside this package.
func (r *Renderer) Asset(name string) string { return r.asset(name) }

// Icon is one of our drawings, for pages outside this package.
func (r *Renderer) Icon(name string) (template.HTML, error) {
	svg, has := r.icon[name]
	if !has {
		return "", fmt.Errorf("there is no icon %q", name)
	}
	return svg, nil
}

// Static serves GET /static/. A file asked for under today's version may be kept for ever; under another version (a page from
// before an upgrade, or another node during one) today's file is given, to be asked for again.
func (r *Renderer) Static() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		version, name, _ := strings.Cut(strings.TrimPrefix(req.URL.Path, "/static/"), "/")
		f, has := r.assets[name]
		if !has {
			http.NotFound(w, req)
			return
		}
		h := w.Header()
		h.Set("Content-Type", f.kind)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Vary", "Accept-Encoding")
		h.Set("Cache-Control", "no-cache")
		if version == r.version && !r.fresh {
			h.Set("Cache-Control", "public, max-age=31536000, immutable")
		}
		body := f.body
		if r.fresh {
			if now, err := fs.ReadFile(r.files, "static/"+name); err == nil {
				body = now
			}
		} else if strings.Contains(req.Header.Get("Accept-Encoding"), "gzip") {
			h.Set("Content-Encoding", "gzip")
			body = f.gzip()
		}
		http.ServeContent(w, req, "", time.Time{}, bytes.NewReader(body))
	})
}

func (f *file) gzip() []byte {
	f.zip.Do(func() {
		var b bytes.Buffer
		z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // the level is valid, so there is no error
		z.Write(f.body)                                       // bytes.Buffer cannot fail
		z.Close()
		f.zipped = b.Bytes()
	})
	return f.zipped
}
