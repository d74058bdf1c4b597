package demo

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/edge"
	"keyward/internal/web"
)

// noticesShown: the newest ones; all of them stand under Activity.
const noticesShown = 5

// show is the page.
func (s *Stage) show(w http.ResponseWriter, r *http.Request) {
	sit, l := s.state()
	v := &web.Stage{Base: s.Pages.Frame(w, r)}
	live := sit != nil && s.lives(r.Context(), sit)
	if err := s.showOwner(r.Context(), v, sit, live); err != nil {
		edge.Fail(w, r, err)
		return
	}
	s.mu.Lock()
	for _, id := range tries {
		v.Tries = append(v.Tries, web.StageTry{ID: id, State: s.tries[id], Ready: ready(id, sit, live, l, s.bot != nil)})
	}
	turns := slices.Clone(s.turns)
	s.mu.Unlock()
	for _, t := range turns {
		st := web.StageTurn{N: t.n, ID: t.id, Took: t.answer.took, Request: rawRequest(t.answer), Answer: rawAnswer(t.answer), Owner: t.sees}
		for _, rec := range t.records {
			st.Sentence = audit.Sentence(rec, v.Lang)
		}
		v.Turns = append(v.Turns, st)
	}
	s.Pages.Show(w, r, http.StatusOK, v)
}

func (s *Stage) showOwner(ctx context.Context, v *web.Stage, sit *seat, live bool) error {
	v.Owner.Acts = []web.OwnerAct{web.OwnerSignIn}
	if sit == nil {
		return nil
	}
	agent := device.Agent(sit.agent)
	v.Owner.Agent = web.Agent{Browser: agent.Browser, System: agent.System}
	if live {
		s.mu.Lock()
		v.Owner.Turned = v.Now.Sub(sit.turned)
		s.mu.Unlock()
		v.Owner.SignedIn, v.Owner.Token = true, generation(sit.cookie(refreshCookie))
		v.Owner.Acts = []web.OwnerAct{web.OwnerRenew, web.OwnerBot, web.OwnerEnd}
	}
	v.Owner.Mail = sit.mail
	recs, err := s.Log.Activity(ctx, s.DB, string(sit.account), "", 50)
	if err != nil {
		return err
	}
	for _, rec := range recs {
		spec, _ := audit.Describe(rec.Action)
		if spec.Notice == audit.None || rec.At.Before(sit.since) || len(v.Owner.Noticed) == noticesShown {
			continue
		}
		v.Owner.Noticed = append(v.Owner.Noticed, web.StageNotice{Sentence: audit.Sentence(rec, v.Lang), At: rec.At, Needs: spec.Notice == audit.Critical})
	}
	return nil
}

// rawRequest writes a request as it went over the wire, tokens cut short. Where
// the refusal is about a proof, it says that there was none.
func rawRequest(a *answer) []web.Span {
	q := a.sent
	out := []web.Span{{Text: q.Method, Mark: web.Strong}, {Text: " " + q.URL.RequestURI() + "\nHost: " + q.URL.Host}}
	for _, name := range []string{"X-Forwarded-For", "Cookie", "Dpop", "Signature-Input", "Signature", "Content-Type"} {
		for _, value := range q.Header[name] {
			out = append(out, web.Span{Text: "\n" + headerName(name) + ": "})
			if name == "Cookie" {
				out = append(out, rawCookies(value)...)
			} else {
				out = append(out, web.Span{Text: short(value, 60)})
			}
		}
	}
	if q.Header.Get("Dpop") == "" && (a.Code == "proof_missing" || a.Code == "refresh_wrong_key") {
		out = append(out, web.Span{Text: "\nDPoP: "}, web.Span{Text: "none", Mark: web.Wrong})
	}
	if len(q.body) > 0 {
		out = append(out, web.Span{Text: "\n\n" + short(string(q.body), 200)})
	}
	return out
}

// headerName: Go files "DPoP" under "Dpop"; RFC 9449 writes it as people read it.
func headerName(canonical string) string {
	if canonical == "Dpop" {
		return "DPoP"
	}
	return canonical
}

// rawCookies keeps of each token what it says in the open: kind, session, and the
// generation of a refresh token, which is what a replay is about.
func rawCookies(line string) []web.Span {
	var out []web.Span
	for i, pair := range strings.Split(line, "; ") {
		name, value, _ := strings.Cut(pair, "=")
		lead := ""
		if i > 0 {
			lead = ";\n  "
		}
		if p := strings.Split(value, "."); name == refreshCookie && len(p) == 5 {
			out = append(out, web.Span{Text: lead + name + "=" + p[0] + "." + short(p[1], 10) + "."}, web.Span{Text: p[2], Mark: web.Strong}, web.Span{Text: ".…"})
			continue
		}
		out = append(out, web.Span{Text: lead + name + "=" + short(value, 14)})
	}
	return out
}

func short(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}

// rawAnswer shows status, code and words of a problem, or that it was none.
func rawAnswer(a *answer) []web.Span {
	mark := web.Wrong
	if a.status < 400 {
		mark = web.Strong
	}
	out := []web.Span{{Text: fmt.Sprint(a.status), Mark: mark}}
	if a.Code == "" {
		return append(out, web.Span{Text: " " + http.StatusText(a.status)})
	}
	for _, s := range []string{" " + a.Code, "\n" + a.Title, "\n" + a.Detail} {
		if s != "\n" { // what is no problem of ours has no title
			out = append(out, web.Span{Text: s})
		}
	}
	if act := a.Purpose["act"]; act != "" {
		out = append(out, web.Span{Text: "\npurpose: " + act})
	}
	if id := a.request(); id != "" {
		out = append(out, web.Span{Text: "\nrequest_id: " + id})
	}
	return out
}
