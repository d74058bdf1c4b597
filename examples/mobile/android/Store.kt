package com.example.keyward

import java.io.File
import java.io.FileOutputStream
import java.nio.file.Files
import java.nio.file.StandardCopyOption

/** The tokens of the session. Their text is a secret: it is in no log, and [toString] does not say it. */
class Tokens(val access: String, val refresh: String) {
    override fun toString() = "tokens"
}

/**
 * Where the tokens are kept. [write] replaces both at once and returns when they will survive a power cut; until then
 * [read] gives the old ones. That is what the server's promise rests on: an old refresh token gives the same child
 * again until the child is used.
 */
interface Store {
    fun read(): Tokens?
    fun write(tokens: Tokens)
    fun clear()
}

/**
 * One file. On Android put it into noBackupFilesDir: in a backup the tokens would be another phone's, whose keys are
 * not there.
 */
class FileStore(private val file: File) : Store {
    override fun read(): Tokens? {
        if (!file.exists()) return null
        return try {
            val saved = Json.read(file.readText())
            Tokens(saved.member("access"), saved.member("refresh"))
        } catch (e: Json.Malformed) {
            null // as good as none: sign in
        }
    }

    override fun write(tokens: Tokens) {
        val next = File(file.path + ".new")
        FileOutputStream(next).use {
            it.write(Json.write(mapOf("access" to tokens.access, "refresh" to tokens.refresh)).toByteArray())
            it.fd.sync()
        }
        Files.move(next.toPath(), file.toPath(), StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING)
    }

    override fun clear() {
        Files.deleteIfExists(file.toPath())
    }
}
