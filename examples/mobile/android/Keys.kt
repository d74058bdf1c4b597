package com.example.keyward

import java.security.interfaces.ECPublicKey

/** An act as the server names it. It stands in what is signed, and was before the person's eyes. */
data class Act(val kind: String, val target: String = "") {
    companion object {
        val SIGN_IN = Act("sign-in")
        val ADD_KEYS = Act("keys.add")
    }
}

/** The session key: it signs without asking, and can do nothing alone. */
interface SessionKey {
    val public: ECPublicKey

    /** SHA256withECDSA over [data], in DER as the platform gives it. */
    fun sign(data: ByteArray): ByteArray
}

/** The touch key: it signs when the person shows a face, a finger or the code of the phone, each time. */
interface TouchKey {
    val public: ECPublicKey

    /** Shows [text], waits for the person and signs. Throws [NotTouched] when they did not. */
    fun sign(data: ByteArray, text: String): ByteArray
}

class NotTouched(why: String) : Exception(why)

/** The two keys of one enrolment, and what the phone's maker says of them: certificates in DER, the key's own first. */
class PhoneKeys(
    val session: SessionKey,
    val touch: TouchKey,
    val sessionChain: List<ByteArray>,
    val touchChain: List<ByteArray>,
)

/** Where the keys live. */
interface Keys {
    /** Those in use, null on a new phone. */
    val current: PhoneKeys?

    /** Makes two keys over the server's challenge. What is in use stays in use until [keep]. */
    fun make(challenge: ByteArray): PhoneKeys

    /** Puts [fresh] in use and deletes all others. */
    fun keep(fresh: PhoneKeys)

    /** Deletes all keys: the owner removed this phone. */
    fun delete()
}
