package web

import (
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"keyward/internal/account"
	"keyward/internal/device"
	"keyward/internal/edge"
	"keyward/internal/place"
	"keyward/internal/proof"
	"keyward/internal/session"
	"keyward/internal/signin"
	"keyward/internal/store"
)

// visit is a request of somebody who is signed in.
type visit struct {
	w     http.ResponseWriter
	r     *http.Request
	ses   session.Session
	cause store.Cause
	base  Base
	acc   account.Account
	mail  account.Contact
	since time.Time // when the access cookie was handed out

	places *place.File
}

// place says in the reader's language where an address probably is, "" unknown.
func (v *visit) place(addr string) string {
	at, err := netip.ParseAddr(addr)
	if err != nil {
		return "" // of an erased or old row
	}
	words, _ := v.places.Locate(at, v.base.Lang)
	return words
}

// keySpoke: how long after a refresh the browser's key counts as having spoken.
const keySpoke = 90 * time.Second

// proved demands that the key of a bound session spoke just now, for acts that
// reach beyond this session: with a copied access cookie alone a thief could
// otherwise end the owner's other sessions one by one. forms.js refreshes with a
// proof before it sends such a form, so the owner notices nothing. A session
// without a key has none to ask.
func (v *visit) proved() error {
	if v.ses.JKT != "" && v.base.Now.Sub(v.since) > keySpoke {
		return session.ErrProofMissing
	}
	return nil
}

// current finds the session of the access cookie.
func (s *Server) current(r *http.Request) (session.Live, error) {
	token, _ := edge.AccessCookie.Read(r)
	bound, _ := edge.BoundCookie.Read(r)
	live, err := s.Sessions.CheckBrowser(r.Context(), token, bound, edge.CauseFrom(r.Context()).Addr)
	if errors.Is(err, session.ErrNotSignedIn) && token == "" {
		if _, ok := edge.RefreshCookie.Read(r); ok {
			return live, session.ErrAccessExpired // the browser dropped the access cookie when its minutes were over
		}
	}
	return live, err
}

// signedIn wraps a handler that needs a session. A GET without a fresh access
// cookie goes through renew and comes back; a POST gets 401 and is never
// replayed, because forms refresh before they are sent (DESIGN §6, Web).
func (s *Server) signedIn(h func(v *visit) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		live, err := s.current(r)
		if err != nil {
			s.turnAway(w, r, err)
			return
		}
		ctx := edge.WithDevice(edge.WithActor(r.Context(), "account:"+string(live.Account)), string(live.Device))
		r = r.WithContext(ctx)
		v := &visit{w: w, r: r, ses: live.Session, cause: edge.CauseFrom(ctx), base: s.base(r), since: live.Since, places: s.Places}
		if err := s.fill(v, live.Expires); err != nil {
			edge.Fail(w, r, err)
			return
		}
		if err := h(v); err != nil {
			s.refuse(w, r, err)
		}
	}
}

// refuse answers with a problem, or leads to the touch that is missing.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, device.ErrStepUp) && isForm(r) {
		var e *edge.Error
		if errors.As(err, &e) {
			if to := stepUpURL(e, formPage(r)); to != "" {
				http.Redirect(w, r, to, http.StatusSeeOther)
				return
			}
		}
	}
	edge.Fail(w, r, err)
}

// turnAway answers a request without a usable session.
func (s *Server) turnAway(w http.ResponseWriter, r *http.Request, err error) {
	if r.Method != http.MethodGet || !wantsHTML(r) {
		edge.Fail(w, r, err)
		return
	}
	to := url.QueryEscape(localPath(r.URL.RequestURI()))
	_, canRenew := edge.RefreshCookie.Read(r)
	switch {
	case canRenew && renewable(err):
		http.Redirect(w, r, "/session/renew?to="+to, http.StatusSeeOther)
	case errors.Is(err, session.ErrEnded):
		http.Redirect(w, r, "/signin?note=ended&to="+to, http.StatusSeeOther)
	case errors.Is(err, session.ErrNotSignedIn), renewable(err):
		http.Redirect(w, r, "/signin?to="+to, http.StatusSeeOther)
	default:
		edge.Fail(w, r, err)
	}
}

// renewable: a session may stand behind this, and what is missing the browser can bring.
func renewable(err error) bool {
	return errors.Is(err, session.ErrAccessExpired) || errors.Is(err, session.ErrProofMissing) || errors.Is(err, session.ErrBoundMissing)
}

// fill reads who is signed in, for the frame of the page.
func (s *Server) fill(v *visit, until time.Time) error {
	err := s.DB.View(v.r.Context(), func(tx *store.Tx) (err error) {
		if v.acc, err = s.Accounts.ByID(tx, v.ses.Account); err != nil {
			return err
		}
		contacts, err := s.Accounts.Contacts(tx, v.ses.Account)
		if len(contacts) > 0 {
			v.mail = contacts[0]
		}
		return err
	})
	if err != nil {
		return err
	}
	who := &Who{Mail: v.mail.Value, AccessUntil: until, Weak: v.ses.ACR == session.ACRFallback}
	if v.acc.Status == account.Frozen {
		who.Frozen = s.frozenSince(v)
	}
	v.base.Who = who
	v.base.Receipt = s.takeReceipt(v.w, v.r)
	return nil
}

// frozenSince finds the event of the freeze that stands.
func (s *Server) frozenSince(v *visit) *Frozen {
	f := &Frozen{At: v.base.Now, How: FrozenByUs}
	recs, err := s.Log.ForAccount(v.r.Context(), s.DB, string(v.ses.Account), "", 100)
	if err != nil {
		return f
	}
	for _, rec := range recs {
		if rec.Action == "account.frozen" {
			f.At = rec.At
			switch rec.Payload["how"] {
			case "here":
				f.How = FrozenHere
			case "link":
				f.How = FrozenByMail
			}
			break
		}
	}
	return f
}

// from says which browser speaks, with its binding proof verified if it sent one.
func (s *Server) from(r *http.Request, remember bool) (signin.From, error) {
	cookie, _ := edge.DeviceCookie.Read(r)
	f := signin.From{
		Cookie: cookie, Agent: device.Agent(r.UserAgent()), Addr: edge.CauseFrom(r.Context()).Addr,
		Kind: session.Web, Remember: remember,
	}
	p, err := s.proved(r)
	if err != nil {
		return f, err
	}
	f.JKT, f.JTI = p.JKT, p.JTI
	return f, nil
}

var (
	errProof = edge.E("proof_invalid")
	errNonce = edge.E("use_dpop_nonce")
)

// proved verifies the DPoP header of a browser's WebCrypto key; the zero Proof
// when there is none. A proof without our nonce is asked to come again with it,
// so that nobody can make proofs in stock (RFC 9449 §8).
func (s *Server) proved(r *http.Request) (proof.Proof, error) {
	h, err := proof.Header(r.Header)
	if errors.Is(err, proof.ErrAbsent) {
		return proof.Proof{}, nil
	}
	if err != nil {
		return proof.Proof{}, errProof.Because(err)
	}
	now := s.DB.Now()
	p, err := proof.VerifyDPoP(h, proof.Want{Method: r.Method, URL: s.set.PublicURL + r.URL.EscapedPath(), Nonce: s.nonces.At(now)}, now)
	if errors.Is(err, proof.ErrNonce) {
		return proof.Proof{}, errNonce.Because(err).Header("DPoP-Nonce", s.nonces.Mint(now))
	}
	if err != nil {
		return proof.Proof{}, errProof.Because(err)
	}
	return p, nil
}

// hand puts fresh tokens into the browser. The refresh cookie of a session that
// is not remembered goes when the browser is closed; its own end is checked here
// in any case.
func (s *Server) hand(w http.ResponseWriter, iss session.Issued, remember bool) {
	now := s.DB.Now()
	edge.AccessCookie.Set(w, iss.Access, seconds(now, iss.AccessExp))
	var life time.Duration
	if remember {
		life = seconds(now, iss.RefreshExp)
	}
	edge.RefreshCookie.Set(w, iss.Refresh, life)
}

func (s *Server) handEntered(w http.ResponseWriter, in signin.Entered, remember bool) {
	s.handDevice(w, in)
	s.hand(w, in.Issued, remember)
	s.offerDeviceKey(w, in.Issued)
}

func (s *Server) handDevice(w http.ResponseWriter, in signin.Entered) {
	if in.DeviceCookie != "" {
		edge.DeviceCookie.Set(w, in.DeviceCookie, 400*24*time.Hour) // the longest browsers keep (RFC 6265bis §5.6.2)
	}
}

// drop removes the tokens of this browser: only for an end the person asked for.
func (s *Server) drop(w http.ResponseWriter) {
	edge.AccessCookie.Clear(w)
	edge.RefreshCookie.Clear(w)
	edge.BoundCookie.Clear(w)
}
