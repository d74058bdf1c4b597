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
	sets    map[string]map[string]*template.Template // by language, then by page; never written after NewRenderer
}

// NewRenderer compiles all pages. dir is "" for the compiled-in files; else it is the folder that holds templates/ and
// static/, and templates are read again for each page, so that one can write them with the server running.
func NewRenderer(dir string) (*Renderer, error) {
	r := &Renderer{files: embedded}
	if dir != "" {
		r.files, r.fresh = os.DirFS(dir), true
	}
	if err := r.loadStatic(); err != nil {
		return nil, err
	}
	var err error
	r.sets, err = r.compile()
	return r, err
}

// compile parses each page once per language, with the words of that language bound in.
func (r *Renderer) compile() (map[string]map[string]*template.Template, error) {
	icons, err := r.icons()
	if err != nil {
		return nil, err
	}
	pages, err := fs.Glob(r.files, "templates/pages/*.html")
	if err != nil {
		return nil, err
	}
	sets := map[string]map[string]*template.Template{}
	for _, code := range []string{lang.EN, lang.KO, lang.Long} {
		frame, err := template.New("layout").Funcs(r.funcs(code, icons)).ParseFS(r.files, "templates/*.html")
		if err != nil {
			return nil, err
		}
		sets[code] = map[string]*template.Template{}
		for _, page := range pages {
			own, err := template.Must(frame.Clone()).ParseFS(r.files, page)
			if err != nil {
				return nil, err
			}
			sets[code][strings.TrimSuffix(path.Base(page), ".html")] = own
		}
	}
	return sets, nil
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
	sets := r.sets
	if r.fresh {
		var err error
		if sets, err = r.compile(); err != nil {
			return err
		}
	}
	code := v.base().Lang
	if sets[code] == nil {
		code = lang.EN
	}
	name, _ := v.page()
	page := sets[code][name]
	if page == nil {
		return fmt.Errorf("web: there is no page %q", name)
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
