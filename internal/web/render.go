package web

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"

	"keyward/internal/lang"
)

//go:embed templates static
var embedded embed.FS

// Renderer turns views into pages. Make one per process; it is safe for concurrent use.
type Renderer struct {
	files   fs.FS // templates/ and static/
	fresh   bool  // read templates again for each page (make run)
	version string
	assets  map[string]*file
	icon    map[string]template.HTML
	pages   map[string]string // name → file

	mu     sync.RWMutex                  // guards the rest
	frames map[string]*template.Template // by language, never executed: pages are made from clones
	ready  map[string]*template.Template // by "language/page"
}

// NewRenderer reads what pages are made of. dir is "" for the compiled-in files; else it is the folder that holds templates/
// and static/, and templates are read again for each page, so that one can write them with the server running.
//
// A page is compiled when it is first shown in a language: all of them at once are 16 MB that most servers never use. Whether
// each compiles is the tests' business (they show every page in every language), not that of a person's first visit.
func NewRenderer(dir string) (*Renderer, error) {
	r := &Renderer{files: embedded, pages: map[string]string{}, frames: map[string]*template.Template{}, ready: map[string]*template.Template{}}
	if dir != "" {
		r.files, r.fresh = os.DirFS(dir), true
	}
	if err := r.loadStatic(); err != nil {
		return nil, err
	}
	var err error
	if r.icon, err = r.icons(); err != nil {
		return nil, err
	}
	files, err := fs.Glob(r.files, "templates/pages/*.html")
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		r.pages[strings.TrimSuffix(path.Base(f), ".html")] = f
	}
	return r, nil
}

// page finds or compiles a page in a language, with the words of that language bound in.
func (r *Renderer) page(code, name string) (*template.Template, error) {
	key := code + "/" + name
	if !r.fresh {
		r.mu.RLock()
		t := r.ready[key]
		r.mu.RUnlock()
		if t != nil {
			return t, nil
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if t := r.ready[key]; t != nil && !r.fresh {
		return t, nil
	}
	file, ok := r.pages[name]
	if !ok {
		return nil, fmt.Errorf("web: there is no page %q", name)
	}
	frame := r.frames[code]
	if frame == nil || r.fresh {
		var err error
		if frame, err = template.New("layout").Funcs(r.funcs(code, r.icon)).ParseFS(r.files, "templates/*.html"); err != nil {
			return nil, err
		}
		r.frames[code] = frame
	}
	own, err := frame.Clone()
	if err == nil {
		own, err = own.ParseFS(r.files, file)
	}
	if err != nil {
		return nil, err
	}
	r.ready[key] = own
	return own, nil
}

// icons reads templates/icons/*.svg: the drawings are ours and go into the page as they are.
func (r *Renderer) icons() (map[string]template.HTML, error) {
	names, err := fs.Glob(r.files, "templates/icons/*.svg")
	if err != nil {
		return nil, err
	}
	icons := map[string]template.HTML{}
	for _, name := range names {
		svg, err := fs.ReadFile(r.files, name)
		if err != nil {
			return nil, err
		}
		icons[strings.TrimSuffix(path.Base(name), ".svg")] = template.HTML(bytes.TrimSpace(svg))
	}
	return icons, nil
}

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// Render writes the page of a view. It is written whole or not at all: on an error nothing has been sent, and the caller
// answers with the problem table. Pages are never stored by anyone: they show what somebody owns.
func (r *Renderer) Render(w http.ResponseWriter, status int, v View) error {
	b := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(b)
	b.Reset()
	if err := r.write(b, v); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", htmlLang(v.base().Lang))
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, err := w.Write(b.Bytes())
	return err
}

func (r *Renderer) write(b *bytes.Buffer, v View) error {
	code := v.base().Lang
	if code != lang.KO && code != lang.Long {
		code = lang.EN
	}
	name, _ := v.page()
	page, err := r.page(code, name)
	if err != nil {
		return err
	}
	return page.ExecuteTemplate(b, "layout", v)
}

// htmlLang is the language for the lang attribute (BCP 47).
func htmlLang(code string) string {
	if code == lang.Long {
		return "en-x-long"
	}
	return code
}
