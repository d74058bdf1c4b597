package com.example.keyward

import java.io.IOException
import java.security.SecureRandom

/**
 * What an app and Keyward say to each other (docs/mobile.md). Every method blocks, for the network or for the person,
 * so none is called on the main thread; any number of threads may call. Refusals are [Refused]; an [IOException] means
 * that there was no answer.
 *
 * @param base the server's public address, such as https://id.example.com: proofs are made for it
 * @param rpId the server's relying party id: no statement is signed for any other
 * @param words what the person reads before a touch
 */
class Client(
    private val base: String,
    private val rpId: String,
    private val keys: Keys,
    private val store: Store,
    private val wire: Wire,
    private val words: (Act) -> String,
    private val clock: () -> Long = { System.currentTimeMillis() / 1000 },
    private val pause: (Long) -> Unit = { Thread.sleep(it * 1000) },
) {
    // Held by whatever brings new tokens: a refresh that comes back late would put dead ones over those of a step-up.
    private val turn = Any()

    @Volatile private var nonce: String? = null

    @Volatile private var skew = 0L // seconds that the phone's clock is behind the server's

    /** Answers request options: by default with the phone's own touch key, or with a passkey of the platform. */
    fun interface Answer {
        fun to(options: Map<String, Any?>, act: Act): Any?
    }

    /** Makes an account whose first keys are new ones of this phone, and signs in. */
    fun signUp(mail: String) {
        val begun = send("POST", "/sign-up", mapOf("mail" to mail))
        val (fresh, credential) = made(begun.member("options"))
        keys.keep(fresh) // before it is sent: if the answer is lost, the account has these keys
        try {
            enter("/sign-up/finish", mapOf("ticket" to begun.member<String>("ticket"), "credential" to credential))
        } catch (e: Refused) {
            if (e.code != "challenge_spent") throw e
            signIn() // it was taken, and the answer was lost
        }
    }

    /** Signs in, with [remember] for as long as the operator lets remembered devices in. Ends whatever session the phone had. */
    fun signIn(by: Answer = ownTouch, remember: Boolean = false) {
        // A phone that comes in by a passkey has no keys yet. The session needs one until enrol makes those that stay.
        keys.current ?: keys.keep(keys.make(ByteArray(32).also(SecureRandom()::nextBytes)))
        val options = send("POST", "/sign-in").member<Map<String, Any?>>("options")
        enter("/sign-in/finish", mapOf("credential" to by.to(options, Act.SIGN_IN), "remember" to remember))
    }

    /**
     * A touch for one act, good once and for five minutes in this session. If the answer is lost, so is the session:
     * [Then.SIGN_IN], and then the act once more, which says whether it still wants a touch.
     */
    fun stepUp(act: Act, by: Answer = ownTouch) {
        val named = if (act.target == "") mapOf("act" to act.kind) else mapOf("act" to act.kind, "object" to act.target)
        val options = call("POST", "/step-up", named).member<Map<String, Any?>>("options")
        val finish = named + mapOf("credential" to by.to(options, act))
        synchronized(turn) { keep(twice { call("POST", "/step-up/finish", finish) }) }
    }

    /** Gives this phone new keys, in a session that some key of the account opened and stepped up for [Act.ADD_KEYS]. */
    fun enrol(name: String) {
        val (fresh, credential) = made(call("POST", "/passkeys").member("options"))
        val finish = mapOf("credential" to credential, "name" to name)
        var sent = 0
        try {
            twice { sent++; call("POST", "/passkeys/finish", finish) }
        } catch (e: Refused) {
            if (sent < 2 || e.then != Then.TOUCH) throw e // else the touch was used: the keys are there
        }
        // This session is another entry in the owner's list than the phone with its new keys.
        try { call("DELETE", "/session") } catch (_: Exception) { } // it ends by itself otherwise
        keys.keep(fresh)
        signIn()
    }

    /** Any request of the account holder. Refreshes where the access token is over. */
    fun call(method: String, path: String, body: Map<String, Any?>? = null): Any? {
        val held = store.read() ?: throw Refused(401, "not_signed_in", Then.SIGN_IN)
        return try {
            send(method, path, body, own().session, held.access)
        } catch (e: Refused) {
            when (e.then) {
                Then.REFRESH -> send(method, path, body, own().session, refresh(held).access)
                Then.SIGN_IN -> send(method, path, body, own().session, newer(held, e).access)
                else -> throw e
            }
        }
    }

    /**
     * Turns the refresh token over. An answer that is lost costs nothing: the same token is sent again, and again by
     * the next call, until the child is written.
     */
    fun refresh(held: Tokens? = null): Tokens = synchronized(turn) {
        val now = store.read() ?: throw Refused(401, "not_signed_in", Then.SIGN_IN)
        if (held != null && now.refresh != held.refresh) return now // another thread was faster
        try {
            keep(patiently { send("POST", "/session/refresh", mapOf("refresh_token" to now.refresh), own().session) })
        } catch (e: Refused) {
            if (e.then != Then.SIGN_IN && e.then != Then.READ_STORE) throw e
            newer(now, e) // of another process, that shares the store
        }
    }

    /** The tokens that stand where [held] stood, or none: then there is nothing to go on with. */
    private fun newer(held: Tokens, refused: Refused): Tokens = synchronized(turn) {
        val now = store.read()
        if (now != null && now.refresh != held.refresh) return now
        store.clear()
        throw refused.but(Then.SIGN_IN)
    }

    /** The phone's own touch. What is signed is what [words] showed. */
    private val ownTouch = Answer { options, act ->
        own().let { Statement.touch(it, state(it, options.member("rpId"), options.member("challenge"), act)) }
    }

    private fun state(by: PhoneKeys, rp: String, challenge: String, act: Act): String {
        check(rp == rpId) { "a challenge of another server" }
        return Statement.sign(by, rp, challenge, act, words(act))
    }

    private fun made(options: Map<String, Any?>): Pair<PhoneKeys, Any?> {
        val challenge = options.member<String>("challenge")
        val fresh = keys.make(Jws.decode(challenge))
        val rp = options.member<Any>("rp").member<String>("id")
        return fresh to Statement.enrolment(fresh, state(fresh, rp, challenge, Act.ADD_KEYS), Statement.beside(fresh, rp, challenge))
    }

    private fun enter(path: String, body: Map<String, Any?>) {
        synchronized(turn) { keep(twice { send("POST", path, body, own().session) }) }
    }

    private fun own(): PhoneKeys = keys.current ?: throw IllegalStateException("this phone has no keys: sign up, or sign in with a passkey and enrol")

    private fun keep(answer: Any?): Tokens = Tokens(answer.member("access_token"), answer.member("refresh_token")).also(store::write)

    /**
     * Sends a touch, and once more if there was no answer: perhaps it never arrived. If it did it is spent, and an
     * iPhone's is not even accepted, because its App Attest key counts. That says nothing of the keys then.
     */
    private fun twice(f: () -> Any?): Any? {
        try {
            return f()
        } catch (e: Exception) {
            if (!unanswered(e)) throw e
        }
        pause(1)
        try {
            return f()
        } catch (e: Refused) {
            throw if (e.then == Then.NOT_ACCEPTED) e.but(Then.BEGIN_AGAIN) else e
        }
    }

    /** For what may be sent any number of times. */
    private fun patiently(f: () -> Any?): Any? {
        for (wait in longArrayOf(1, 2, 4, 8)) {
            try {
                return f()
            } catch (e: Exception) {
                if (!unanswered(e)) throw e
            }
            pause(wait)
        }
        return f()
    }

    private fun unanswered(e: Exception) = e is IOException || e is Refused && (e.status >= 500 || e.then == Then.LOST)

    /** One request, with a proof by [key]. Sends again by itself only what was refused because of the proof, and so not done. */
    internal fun send(method: String, path: String, body: Map<String, Any?>? = null, key: SessionKey? = null, access: String? = null): Any? {
        val url = "$base/api/v1$path"
        repeat(3) { already ->
            val headers = buildMap {
                put("Accept", "application/json")
                if (body != null) put("Content-Type", "application/json")
                if (access != null) put("Authorization", "DPoP $access")
                if (key != null) put("DPoP", Dpop.proof(key, method, url, access, nonce, clock() + skew))
            }
            val r = wire.send(Request(method, url, headers, body?.let(Json::write)))
            r.headers["dpop-nonce"]?.let { nonce = it }
            if (r.status in 200..299) return if (r.body.isEmpty()) null else Json.read(r.body)
            val refused = Refused.of(path, r)
            when {
                refused.then == Then.PROVE_AGAIN && already < 2 -> if (refused.code == "proof_invalid") skew = skewOf(r)
                refused.then == Then.REMOVED -> {
                    store.clear()
                    keys.delete()
                    throw refused
                }
                else -> throw refused
            }
        }
        throw AssertionError("the third refusal was thrown")
    }

    /** Phones have wrong clocks. The server's is good enough: TLS says whose it is, and it decides when a proof is over. */
    private fun skewOf(r: Response): Long = try {
        java.time.ZonedDateTime.parse(r.headers["date"], java.time.format.DateTimeFormatter.RFC_1123_DATE_TIME).toEpochSecond() - clock()
    } catch (e: RuntimeException) {
        0
    }
}
