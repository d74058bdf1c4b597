package demo

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"keyward/internal/audit"
	"keyward/internal/edge"
	"keyward/internal/web"
)

// tries in the order of the page.
var tries = []web.TryID{web.TryCopy, web.TrySession, web.TryRenew, web.TryReplay, web.TryStepUp, web.TryOrder, web.TryKey, web.TryAddress}

// ready says whether a try has what it needs. A replay needs a copy that was
// turned over meanwhile; before, it is the try above it.
func ready(id web.TryID, sit *seat, live bool, l *loot, bot bool) bool {
	switch id {
	case web.TryOrder, web.TryKey:
		return bot
	case web.TryCopy, web.TryAddress:
		return live
	case web.TryReplay:
		return l != nil && sit != nil && l.refresh != sit.cookie(refreshCookie)
	}
	return l != nil
}

func (s *Stage) thiefTries(w http.ResponseWriter, r *http.Request) {
	s.acting.Lock()
	defer s.acting.Unlock()
	to, err := s.try(r.Context(), web.TryID(r.PathValue("id")), edge.Lang(r))
	if err != nil {
		edge.Fail(w, r, err)
		return
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// try plays one try and says where to look at it.
func (s *Stage) try(ctx context.Context, id web.TryID, lang string) (to string, err error) {
	if !slices.Contains(tries, id) {
		return "", edge.E("not_found")
	}
	sit, l := s.state()
	live := sit != nil && s.lives(ctx, sit)
	s.mu.Lock()
	bot := s.bot != nil
	s.mu.Unlock()
	if !ready(id, sit, live, l, bot) {
		return "/demo", nil
	}
	if id == web.TryCopy {
		return "/demo", s.copyCookies(ctx, sit)
	}
	var a *answer
	switch id {
	case web.TryOrder, web.TryKey:
		a, err = s.botTry(ctx, id)
	case web.TryAddress:
		a, err = s.otherAddress(ctx, sit)
	default:
		a, err = s.attempt(ctx, id, l, lang)
	}
	if err != nil {
		return "", err
	}
	recs, err := s.Log.ByRequest(ctx, s.DB, a.request())
	if err != nil {
		return "", err
	}
	t := turn{id: id, answer: a, records: recs, sees: sees(recs, live, sit != nil && s.lives(ctx, sit))}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	t.n = s.n
	s.turns = append([]turn{t}, s.turns...)
	if len(s.turns) > turnsShown {
		s.turns = s.turns[:turnsShown]
	}
	s.tries[id] = web.TryRefused
	if a.status < 400 {
		s.tries[id] = web.TryWorked
	}
	return fmt.Sprintf("/demo#turn-%d", t.n), nil
}

// copyCookies takes what malware in the owner's browser could: both cookies, not
// the key, which no script and no file can read (WebCrypto, not extractable).
// The owner is at work, so the access cookie is a fresh one.
func (s *Stage) copyCookies(ctx context.Context, sit *seat) error {
	if err := s.fresh(ctx, sit); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loot = &loot{sit.cookie(accessCookie), sit.cookie(refreshCookie)}
	s.tries = map[web.TryID]web.TryState{web.TryCopy: web.TryCopied}
	return nil
}

// attempt is the thief's request: a copied browser without its key.
func (s *Stage) attempt(ctx context.Context, id web.TryID, l *loot, lang string) (*answer, error) {
	thief := &visitor{origin: s.Origin, client: s.client, agent: thiefAgent, from: farAddr, now: s.DB.Now}
	thief.setCookie(accessCookie, l.access)
	thief.setCookie(refreshCookie, l.refresh)
	c := call{spell: http.Header{"Accept-Language": {lang}}}
	switch id {
	case web.TrySession:
		c.method, c.path = http.MethodGet, "/"
	case web.TryRenew, web.TryReplay:
		c.method, c.path = http.MethodPost, "/session/renew"
	case web.TryStepUp:
		// From the owner's own network, where the copied access cookie is good until
		// its minutes are over: what stops the thief here is the touch.
		thief.from = nearbyAddr
		return thief.forge(ctx, c)
	}
	return thief.do(ctx, c)
}

// sees is what a try changed for the owner, read off the log and the session.
func sees(recs []audit.Record, before, after bool) web.OwnerSees {
	out := web.SeesNothing
	for _, rec := range recs {
		spec, _ := audit.Describe(rec.Action)
		switch {
		case spec.Notice > audit.None:
			out = web.SeesTold
		case spec.Shown && out == web.SeesNothing:
			out = web.SeesNoted
		}
	}
	if before && !after {
		return web.SeesEnded
	}
	return out
}
