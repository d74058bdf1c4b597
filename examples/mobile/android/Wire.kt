package com.example.keyward

import java.io.ByteArrayOutputStream
import java.io.IOException
import java.io.InputStream
import java.net.HttpURLConnection
import java.net.URI

class Request(val method: String, val url: String, val headers: Map<String, String>, val body: String?)

/** Names of headers are in lower case. */
class Response(val status: Int, val headers: Map<String, String>, val body: String)

/**
 * One request over TLS. Throws [IOException] where there is no whole answer, and then nobody knows whether the request
 * arrived. An implementation follows no redirect, because a proof is for one address, and compresses or caches nothing.
 */
fun interface Wire {
    fun send(request: Request): Response
}

/** With what the platform has. An app that has an HTTP client of its own writes these lines for that one. */
class PlatformWire(private val timeoutMillis: Int = 15_000) : Wire {
    override fun send(request: Request): Response {
        val c = URI(request.url).toURL().openConnection() as HttpURLConnection
        try {
            c.instanceFollowRedirects = false
            c.useCaches = false
            c.connectTimeout = timeoutMillis
            c.readTimeout = timeoutMillis
            c.requestMethod = request.method
            request.headers.forEach(c::setRequestProperty)
            request.body?.let {
                c.doOutput = true
                c.outputStream.use { out -> out.write(it.toByteArray()) }
            }
            val status = c.responseCode
            val body = (if (status < 400) c.inputStream else c.errorStream)?.use(::whole) ?: ""
            val headers = c.headerFields.filterKeys { it != null }.entries.associate { (k, v) -> k.lowercase() to v.last() }
            return Response(status, headers, body)
        } finally {
            c.disconnect()
        }
    }

    private fun whole(from: InputStream): String {
        val out = ByteArrayOutputStream()
        val part = ByteArray(8192)
        while (true) {
            val n = from.read(part)
            if (n < 0) return out.toByteArray().decodeToString()
            out.write(part, 0, n)
            if (out.size() > MOST) throw IOException("an answer that is too large")
        }
    }

    private companion object {
        const val MOST = 1 shl 20
    }
}
