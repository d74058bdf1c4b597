package web

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"keyward/internal/device"
	"keyward/internal/oauth"
	"keyward/internal/session"
	"keyward/internal/store"
)

func (s *Server) apps(v *visit) error {
	grants, err := s.appGrants(v)
	if err != nil {
		return err
	}
	s.show(v.w, v.r, http.StatusOK, &Apps{Base: v.base, Grants: grants})
	return nil
}

// appGrants is what apps hold, with the devices as their owner calls them.
func (s *Server) appGrants(v *visit) ([]AppGrant, error) {
	connected, err := s.OAuth.Connected(v.r.Context(), v.ses.Account)
	if err != nil {
		return nil, err
	}
	names := map[device.ID]string{}
	if err := s.DB.View(v.r.Context(), func(tx *store.Tx) error {
		all, err := s.Devices.Devices(tx, v.ses.Account)
		for _, d := range all {
			if d.Name != d.Default() {
				names[d.ID] = d.Name
			}
		}
		return err
	}); err != nil {
		return nil, err
	}
	var out []AppGrant
	for _, c := range connected {
		g := AppGrant{
			ID: string(c.ID), Client: c.Client, App: c.Name, Ours: c.FirstParty, Domain: c.Domain, Purpose: c.Purpose,
			Powers: inOrder(c.Scopes), Payments: paymentsOf(c.Payments), Given: c.CreatedAt, Used: c.UsedAt, Ends: c.AbsExp,
			Offline: c.Offline, On: names[c.Device], Suspect: c.SuspectAt,
		}
		if g.On == "" {
			g.On = agentOf(c.Agent).In(v.base.Lang)
		}
		out = append(out, g)
	}
	return out, nil
}

func paymentsOf(details []oauth.Detail) (out []Payment) {
	for _, d := range details {
		out = append(out, Payment{Amount: d.Amount, Asset: d.Asset, Network: d.Network, Address: d.Address, Memo: d.Memo, MaxFee: d.MaxFee})
	}
	return out
}

// homeApps counts the apps for the security home.
func (s *Server) homeApps(v *visit, home *Home) error {
	connected, err := s.OAuth.Connected(v.r.Context(), v.ses.Account)
	if err != nil {
		return err
	}
	var seen, names []string
	for _, c := range connected {
		if !c.SuspectAt.IsZero() && home.AppSuspect == "" {
			home.AppSuspect = c.Name
		}
		if !slices.Contains(seen, c.Client) {
			seen = append(seen, c.Client)
			names = append(names, c.Name)
		}
	}
	home.Apps, home.AppNames = len(seen), strings.Join(names[:min(len(names), 3)], ", ")
	return nil
}

// appGrant finds the grant of the address, and how many others its app has.
func (s *Server) appGrant(v *visit) (AppGrant, int, error) {
	all, err := s.appGrants(v)
	if err != nil {
		return AppGrant{}, 0, err
	}
	for _, g := range all {
		if g.ID == v.r.PathValue("id") {
			others := -1
			for _, x := range all {
				if x.Client == g.Client {
					others++
				}
			}
			return g, others, nil
		}
	}
	return AppGrant{}, 0, session.ErrGrantEnded
}

func (s *Server) appEndPage(v *visit) error {
	g, others, err := s.appGrant(v)
	if err != nil {
		return err
	}
	s.show(v.w, v.r, http.StatusOK, &AppEnd{Base: v.base, Grant: g, Others: others, Access: s.OAuth.AccessLife()})
	return nil
}

func (s *Server) appEnd(v *visit) error {
	if err := v.proved(); err != nil {
		return err
	}
	all, err := field(v.r, "all", 8)
	if err != nil {
		return err
	}
	g, _, err := s.appGrant(v)
	if err != nil {
		return err
	}
	e, err := s.Contain.EndGrant(v.r.Context(), v.cause, v.ses.Account, session.GrantID(g.ID), g.App, all == "yes")
	if err != nil {
		return err
	}
	rc := receiptOf(DidEndApp, g.App, e)
	rc.TokensUntil = rc.At.Add(s.OAuth.AccessLife())
	s.leaveReceipt(v.w, rc)
	v.done("/apps")
	return nil
}

func (s *Server) appNarrowPage(v *visit) error {
	g, _, err := s.appGrant(v)
	if err != nil {
		return err
	}
	s.show(v.w, v.r, http.StatusOK, &AppNarrow{Base: v.base, Grant: g, Access: s.OAuth.AccessLife()})
	return nil
}

func (s *Server) appNarrow(v *visit) error {
	if err := v.proved(); err != nil {
		return err
	}
	keep, err := fields(v.r, "scope", 32)
	if err != nil {
		return err
	}
	c, err := s.OAuth.Held(v.r.Context(), v.ses.Account, session.GrantID(v.r.PathValue("id")))
	if err != nil {
		return err
	}
	if len(keep) == 0 && len(c.Payments) == 0 && !slices.ContainsFunc(c.Scopes, func(x string) bool { return !oauth.Untickable(x) }) {
		v.done("/apps/" + string(c.ID) + "/end") // nothing would be left: that is another act, with its effect shown
		return nil
	}
	until, err := s.OAuth.Narrow(v.r.Context(), v.cause, c, keep)
	if err != nil {
		return err
	}
	if until != (time.Time{}) {
		s.leaveReceipt(v.w, Receipt{Did: DidNarrowApp, Name: c.Name, At: s.DB.Now(), TokensUntil: until})
	}
	v.done("/apps")
	return nil
}
