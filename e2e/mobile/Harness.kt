package com.example.keyward

import java.io.File
import java.io.IOException
import java.nio.file.Files
import kotlin.concurrent.thread

/** The network between the phone and the server, which loses what it is told to. */
class LossyWire(private val real: Wire) : Wire {
    var lose: ((Request) -> Boolean)? = null // of the next request that fits, the answer
    var answers = mutableListOf<Pair<Request, Response>>()

    override fun send(request: Request): Response {
        val answer = real.send(request)
        synchronized(this) { answers += request to answer }
        if (lose?.invoke(request) == true && answer.status < 300) {
            lose = null
            throw IOException("the tunnel")
        }
        return answer
    }

    fun loseAnswerOf(path: String) {
        lose = { it.url.endsWith(path) }
    }
}

class Phone(base: String, dir: File, clock: () -> Long = { System.currentTimeMillis() / 1000 }) {
    val keys = SoftKeys()
    val store = FileStore(File(dir, "tokens"))
    val wire = LossyWire(PlatformWire())
    val client = Client(base, "localhost", keys, store, wire, { "${it.kind} ${it.target}".trim() }, clock, pause = {})

    fun refused(f: () -> Unit): String = try {
        f()
        "not refused"
    } catch (e: Refused) {
        "${e.status} ${e.code} -> ${e.then}"
    }
}

fun say(what: String, result: Any?) = println("$what: $result")

/** Plays docs/mobile.md against a real server, and says what happened, a line for each step. */
fun main(args: Array<String>) {
    val base = args[0]
    fun dir() = Files.createTempDirectory(File(args[1]).toPath(), "phone").toFile()
    strict()

    val phone = Phone(base, dir())
    val client = phone.client
    client.signUp("kim@example.org")
    val key = client.call("GET", "/passkeys").member<List<Any?>>("items").single()
    say("signed up", "${key.member<String>("kind")} ${key.member<String>("grade")} ${key.member<Any>("evidence").member<List<Any?>>("faults")}")
    client.signIn(remember = true)
    val session = client.call("GET", "/session").member<Any>("session")
    say("signed in", "${session.member<String>("acr")} bound ${session.member<Boolean>("bound")} remembered ${session.member<Boolean>("remembered")}")

    // An act that matters.
    var purpose: Act? = null
    say("an act without a touch", phone.refused {
        try {
            client.call("POST", "/passkeys")
        } catch (e: Refused) {
            purpose = e.purpose
            throw e
        }
    })
    client.stepUp(purpose!!)
    say("the person read", phone.keys.shown.last())
    say("the act", client.call("POST", "/passkeys").member<Map<*, *>>("options").containsKey("challenge"))

    // The same refresh token twice.
    val parent = phone.store.read()!!
    client.refresh()
    val child = phone.store.read()!!
    phone.store.write(parent) // the answer never came
    client.refresh()
    say("refreshed twice", if (phone.store.read()!!.refresh == child.refresh && child.refresh != parent.refresh) "the same child" else "another child")
    phone.wire.loseAnswerOf("/session/refresh")
    client.refresh()
    val asked = phone.wire.answers.filter { it.first.url.endsWith("/session/refresh") }.takeLast(2)
    say("a lost refresh", if (asked[0].first.body == asked[1].first.body && asked[0].first.headers != asked[1].first.headers) "sent again with another proof" else "?")
    say("goes on", client.call("GET", "/session").member<Any>("session").member<Boolean>("current"))

    // Eight parts of the app wake at once with the same tokens.
    val held = phone.store.read()!!
    val asking = phone.wire.answers.size
    val eight = List(8) { thread { client.refresh(held) } }
    eight.forEach(Thread::join)
    say("eight at once", "${phone.wire.answers.size - asking} refresh")

    // Other lost answers.
    phone.wire.loseAnswerOf("/step-up/finish")
    say("a lost step-up", phone.refused { client.stepUp(Act.ADD_KEYS) })
    say("tokens", phone.store.read() ?: "forgotten")
    phone.wire.loseAnswerOf("/sign-in/finish")
    say("a lost sign-in", phone.refused { client.signIn() })
    client.signIn()

    // New keys on the same phone, and the answer is lost as well.
    val first = phone.keys.current!!
    client.stepUp(Act.ADD_KEYS)
    phone.wire.loseAnswerOf("/passkeys/finish")
    client.enrol("New keys")
    say("enrolled", if (phone.keys.current !== first) "new keys" else "the old keys")
    say("keys of the account", client.call("GET", "/passkeys").member<List<Any?>>("items").size)

    // A touch that comes from another machine.
    val thief = Phone(base, dir())
    val owner = phone.keys.current!!
    val options = thief.client.send("POST", "/sign-in").member<Any>("options")
    val touch = Statement.touch(owner, Statement.sign(owner, "localhost", options.member("challenge"), Act.SIGN_IN, "talked into it"))
    thief.keys.keep(thief.keys.make(ByteArray(32)))
    say("another machine", thief.refused { thief.client.send("POST", "/sign-in/finish", mapOf("credential" to touch), thief.keys.current!!.session) })
    say("the owner's own", client.send("POST", "/sign-in/finish", mapOf("credential" to touch), owner.session).member<String>("token_type"))

    // A statement about another act than the one that the server asked about.
    client.signIn()
    val ask = client.call("POST", "/step-up", mapOf("act" to "keys.remove", "object" to "key_01jd8f00000000000000000000")).member<Any>("options")
    val other = Statement.touch(owner, Statement.sign(owner, "localhost", ask.member("challenge"), Act("keys.remove", "key_01jd8f11111111111111111111"), "another key"))
    say("another act", phone.refused { client.call("POST", "/step-up/finish", mapOf("act" to "keys.remove", "object" to "key_01jd8f00000000000000000000", "credential" to other)) })

    // A phone whose clock is an hour late; one whose sign-up is answered into a tunnel; one that nobody knows.
    val late = Phone(base, dir()) { System.currentTimeMillis() / 1000 - 3600 }
    late.client.signUp("late@example.org")
    say("a wrong clock", late.client.call("GET", "/session").member<String>("mail"))
    val tunnel = Phone(base, dir())
    tunnel.wire.loseAnswerOf("/sign-up/finish")
    tunnel.client.signUp("tunnel@example.org")
    say("a lost sign-up", tunnel.client.call("GET", "/session").member<String>("mail"))
    val stranger = Phone(base, dir())
    say("unknown keys", stranger.refused { stranger.client.signIn() })

    // The owner removes the first keys of this phone, which somebody then still has.
    val old = client.call("GET", "/passkeys").member<List<Any?>>("items").first { it.member<String>("name") != "New keys" }.member<String>("id")
    client.stepUp(Act("keys.remove", old))
    client.call("DELETE", "/passkeys/$old")
    val removed = Phone(base, dir())
    removed.keys.keep(first)
    say("a removed phone", removed.refused { removed.client.signIn() })
    say("its keys", removed.keys.current ?: "deleted")
    say("the other keys", client.call("GET", "/passkeys").member<List<Any?>>("items").size)
}

/** What the readers refuse. */
fun strict() {
    val bad = listOf(
        "", "{", "[1,]", "{\"a\":1,\"a\":2}", "{} {}", "01", "nul", "\"\\x\"", "\"\\u12g4\"", "\"\n\"", "+1", "'a'", "{a:1}", "[".repeat(40) + "]".repeat(40),
    )
    val taken = bad.filter {
        try {
            Json.read(it)
            true
        } catch (e: Json.Malformed) {
            false
        }
    }
    val text = "{\"a\":[1,-2.5e3,true,null,\"\\u00e9\\\"\\n\"],\"b\":{}}"
    val back = Json.read(text)
    say("bad JSON taken", taken)
    say("JSON comes back", Json.read(Json.write(mapOf("s" to "é\"\n\u0001", "n" to 1L))) == mapOf("s" to "é\"\n\u0001", "n" to 1L) && back.member<List<Any?>>("a")[1] == -2500.0)

    val one = byteArrayOf(0x30, 0x06, 0x02, 0x01, 0x01, 0x02, 0x01, 0x02)
    val bent = listOf(one + 0, one.copyOf(7), one.copyOf().also { it[0] = 0x31 }, one.copyOf().also { it[4] = -1 }, one.copyOf().also { it[3] = 9 })
    say("a short signature", Jws.raw(one).let { it.size == 64 && it[31] == 1.toByte() && it[63] == 2.toByte() })
    say("bent signatures taken", bent.count {
        try {
            Jws.raw(it)
            true
        } catch (e: IllegalArgumentException) {
            false
        }
    })
}
