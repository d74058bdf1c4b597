package com.example.keyward

/** What a refusal asks of the app (docs/mobile.md). [PROVE_AGAIN], [REFRESH] and [READ_STORE] the [Client] does by itself. */
enum class Then {
    /** Make the proof anew, with the nonce and the time of the answer, and send again. */
    PROVE_AGAIN,

    /** Something on the way sent the request twice, and the first may have been carried out: a lost answer. */
    LOST,

    /** Refresh, and send again. */
    REFRESH,

    /** Another part of the app was faster: read the store again. */
    READ_STORE,

    /** The tokens are worth nothing and were forgotten; the keys are good. Sign in with a touch. */
    SIGN_IN,

    /** Show [Refused.purpose], step up, and send again. */
    TOUCH,

    /** What was begun is over. Begin again. */
    BEGIN_AGAIN,

    /** At sign-in: these keys are not known here. At enrolment: this build or this phone is not accepted. Offer another way. */
    NOT_ACCEPTED,

    /** The owner removed this phone. Keys and tokens were deleted. */
    REMOVED,

    /** Show the page that lifts the freeze. */
    FROZEN,

    /** The same again after [Refused.waitSeconds]. */
    WAIT,

    /** Show [Refused.detail]; the same again helps nobody. */
    SHOW,
}

/** An answer that is not a yes (RFC 9457). Apps decide by [code] and [then], never by the text. */
class Refused(
    val status: Int,
    val code: String,
    val then: Then,
    val detail: String = "",
    val requestId: String = "",
    val purpose: Act? = null,
    val waitSeconds: Long = 1,
) : Exception("$status $code ($requestId)") {
    /** The same refusal, where more is known than the answer says. */
    internal fun but(then: Then) = Refused(status, code, then, detail, requestId, purpose, waitSeconds)

    companion object {
        private val byCode = mapOf(
            "use_dpop_nonce" to Then.PROVE_AGAIN,
            "proof_invalid" to Then.PROVE_AGAIN,
            "proof_missing" to Then.PROVE_AGAIN,
            "proof_replayed" to Then.LOST,
            "access_expired" to Then.REFRESH,
            "refresh_superseded" to Then.READ_STORE,
            "refresh_invalid" to Then.SIGN_IN,
            "refresh_reused" to Then.SIGN_IN,
            "refresh_wrong_key" to Then.SIGN_IN,
            "session_ended" to Then.SIGN_IN,
            "not_signed_in" to Then.SIGN_IN,
            "step_up_required" to Then.TOUCH,
            "key_too_new" to Then.SHOW,
            "key_grade_low" to Then.SHOW,
            "passkey_not_accepted" to Then.NOT_ACCEPTED,
            "key_unknown" to Then.REMOVED,
            "challenge_expired" to Then.BEGIN_AGAIN,
            "challenge_spent" to Then.BEGIN_AGAIN,
            "account_frozen" to Then.FROZEN,
            "rate_limited" to Then.WAIT,
        )

        internal fun of(path: String, r: Response): Refused {
            val problem = try {
                Json.read(r.body) as? Map<*, *>
            } catch (e: Json.Malformed) {
                null // not from Keyward: from something on the way
            } ?: emptyMap<String, Any?>()
            val code = problem["code"] as? String ?: "http_${r.status}"
            val then = when (val known = byCode[code]) {
                null -> if (r.status >= 500) Then.WAIT else Then.SHOW
                Then.REMOVED -> if (path == "/sign-in/finish") known else Then.SHOW // elsewhere it speaks of the key in the path
                else -> known
            }
            val purpose = (problem["purpose"] as? Map<*, *>)?.let { Act(it.member("act"), it["object"] as? String ?: "") }
            val wait = r.headers["retry-after"]?.toLongOrNull()?.coerceIn(1, 3600) ?: 1
            return Refused(r.status, code, then, problem["detail"] as? String ?: "", problem["request_id"] as? String ?: "", purpose, wait)
        }
    }
}
