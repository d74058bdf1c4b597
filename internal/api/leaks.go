package api

import (
	"context"
	"encoding/hex"
	"net/http"
	"time"

	"keyward/internal/apikey"
	"keyward/internal/edge"
)

const (
	// leakAnswer: a report is answered this long after it came, whatever became of it. To
	// put a key into quarantine takes longer than to find none, and the difference would
	// tell whoever holds a secret without its id whether it is worth something.
	leakAnswer = 300 * time.Millisecond

	// leakWork bounds what goes on behind an answer.
	leakWork = 10 * time.Second

	// leaksAtOnce: a dump that many people report at once must not take the connections
	// that sign-ins need.
	leaksAtOnce = 32
)

var errBusy = edge.E("busy")

// leaks registers how strangers tell us of keys that they found.
func (s *Server) leaks(mux *http.ServeMux) {
	add(s, operation{
		id: "leak-report", call: "POST /leaks", tag: "leaks", access: open, limit: edge.ClassLeak, status: http.StatusAccepted,
		summary: "Tell us of a key that you found",
		about: "Send the secret, or its SHA-256: nothing else proves that it is out. The answer is the same whether or not it is one of ours. If it is, its key can from then on look and cancel, and no more, and its owner is told. " +
			"The id of a key (kwk_…) is no secret and does nothing.",
	}, s.leakReport)
	mux.HandleFunc("POST "+root+"/leaks/github", s.gitHubLeaks)
}

type leakIn struct {
	Body struct {
		Token  string `json:"token,omitempty" maxLength:"4096" doc:"The secret as you found it, or the private half of a pair as PEM, base64 or hex."`
		SHA256 string `json:"sha256,omitempty" minLength:"64" maxLength:"64" doc:"Instead of it: SHA-256 of the secret, 64 digits of hex. It finds no private halves, which have many spellings."`
		URL    string `json:"url,omitempty" maxLength:"2048" doc:"Where it was. Its owner reads the name of the host and no more."`
		Source string `json:"source,omitempty" maxLength:"64" doc:"What kind of place that is, in your words. For our log."`
	} `nameHint:"LeakBody"`
}

var errLeakOne = errBadRequest.At("/token", "send token or sha256, and not both")

func (s *Server) leakReport(ctx context.Context, in *leakIn) (*none, error) {
	b := in.Body
	report := apikey.Report{Token: b.Token, Via: apikey.ViaReport, URL: b.URL}
	switch {
	case (b.Token == "") == (b.SHA256 == ""):
		return nil, errLeakOne
	case b.SHA256 != "":
		raw, err := hex.DecodeString(b.SHA256)
		if err != nil || len(raw) != 32 {
			return nil, errBadRequest.At("/sha256", "is not 64 digits of hex")
		}
		report.Hash = (*[32]byte)(raw)
	}
	select {
	case s.reporting <- struct{}{}:
	default:
		return nil, errBusy
	}
	told := time.NewTimer(leakAnswer)
	defer told.Stop()
	go func() {
		defer func() { <-s.reporting }()
		work, cancel := context.WithTimeout(context.WithoutCancel(ctx), leakWork)
		defer cancel()
		if _, err := s.BotKeys.Reported(work, report); err != nil {
			s.Logger.WarnContext(work, "a report of a leaked key could not be worked on", "cause", err)
		}
	}()
	<-told.C
	return nil, nil
}
