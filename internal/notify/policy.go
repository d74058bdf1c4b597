package notify

import "time"

// Policy constants live here so that an auditor reads one screen.
const (
	// strangerMails per strangerWindow and address: enough for a person who mistypes
	// and asks again, too few to bury a mailbox in (DESIGN §3). Counted twice, once
	// for freeze links and once for the rest.
	strangerMails  = 3
	strangerWindow = time.Hour

	// staleAfter: news older than this is passed over. It matters when mail is
	// switched on for a server that has run without: a year of old notices in one
	// night would teach owners to ignore the next one.
	staleAfter = 7 * 24 * time.Hour

	// keepSent: how long we can answer "was the owner told?".
	keepSent = 90 * 24 * time.Hour

	// smtpTimeout bounds one mail from dial to goodbye.
	smtpTimeout = 30 * time.Second

	// sweepEvery: old rows of notify_sent and notify_rate go once an hour.
	sweepEvery = time.Hour
)
