package com.example.keyward

/**
 * JSON as Keyward speaks it (RFC 8259), with nothing taken that two readers could read differently: no member twice,
 * nothing behind the value. Objects are maps, lists are lists, numbers are Long or Double.
 */
object Json {
    class Malformed(what: String) : Exception(what)

    fun write(value: Any?): String = StringBuilder().also { write(value, it) }.toString()

    fun read(text: String): Any? = Reader(text).whole()

    private fun write(value: Any?, out: StringBuilder) {
        when (value) {
            null, is Boolean, is Int, is Long -> out.append(value)
            is String -> quote(value, out)
            is Map<*, *> -> {
                out.append('{')
                value.entries.forEachIndexed { i, (name, member) ->
                    if (i > 0) out.append(',')
                    quote(name as String, out)
                    out.append(':')
                    write(member, out)
                }
                out.append('}')
            }
            is List<*> -> {
                out.append('[')
                value.forEachIndexed { i, item ->
                    if (i > 0) out.append(',')
                    write(item, out)
                }
                out.append(']')
            }
            else -> throw IllegalArgumentException("no JSON of ${value::class}")
        }
    }

    private fun quote(s: String, out: StringBuilder) {
        out.append('"')
        for (c in s) {
            when {
                c == '"' || c == '\\' -> out.append('\\').append(c)
                c < ' ' -> out.append("\\u").append(c.code.toString(16).padStart(4, '0'))
                else -> out.append(c)
            }
        }
        out.append('"')
    }

    private class Reader(val text: String) {
        var at = 0
        var depth = 0

        fun whole(): Any? = value().also {
            space()
            if (at < text.length) fail()
        }

        fun value(): Any? {
            space()
            return when (peek()) {
                '{' -> nested { members() }
                '[' -> nested { items() }
                '"' -> string()
                't' -> word("true", true)
                'f' -> word("false", false)
                'n' -> word("null", null)
                else -> number()
            }
        }

        fun members(): Map<String, Any?> {
            val out = LinkedHashMap<String, Any?>()
            list('}') {
                space()
                val name = string()
                space()
                take(':')
                if (out.containsKey(name)) throw Malformed("a member twice")
                out[name] = value()
            }
            return out
        }

        fun items(): List<Any?> = ArrayList<Any?>().also { out -> list(']') { out.add(value()) } }

        fun list(end: Char, item: () -> Unit) {
            at++ // the bracket that began it
            space()
            if (peek() == end) {
                at++
                return
            }
            while (true) {
                item()
                space()
                if (peek() == end) {
                    at++
                    return
                }
                take(',')
            }
        }

        fun string(): String {
            take('"')
            val out = StringBuilder()
            while (true) {
                val c = next()
                when {
                    c == '"' -> return out.toString()
                    c < ' ' -> fail()
                    c != '\\' -> out.append(c)
                    else -> out.append(escaped())
                }
            }
        }

        fun escaped(): Char = when (next()) {
            '"' -> '"'
            '\\' -> '\\'
            '/' -> '/'
            'b' -> '\b'
            'f' -> '\u000c'
            'n' -> '\n'
            'r' -> '\r'
            't' -> '\t'
            'u' -> {
                val four = CharArray(4) { next() }
                if (!four.all { it in '0'..'9' || it in 'a'..'f' || it in 'A'..'F' }) fail()
                String(four).toInt(16).toChar()
            }
            else -> fail()
        }

        fun number(): Any {
            val found = NUMBER.find(text, at)?.takeIf { it.range.first == at } ?: fail()
            at += found.value.length
            return found.value.toLongOrNull() ?: found.value.toDouble()
        }

        fun <T> word(w: String, v: T): T {
            if (!text.startsWith(w, at)) fail()
            at += w.length
            return v
        }

        fun <T> nested(f: () -> T): T {
            if (++depth > 32) throw Malformed("nested too deep")
            return f().also { depth-- }
        }

        fun space() {
            while (at < text.length && text[at] in " \t\r\n") at++
        }

        fun peek(): Char = if (at < text.length) text[at] else fail()
        fun next(): Char = peek().also { at++ }
        fun take(c: Char) = if (next() != c) fail() else Unit
        fun fail(): Nothing = throw Malformed("not JSON at character $at") // never what stands there: it may be a token
    }

    private val NUMBER = Regex("-?(?:0|[1-9][0-9]*)(?:\\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
}

/** A member of an object, of the type that the caller needs. */
internal inline fun <reified T> Any?.member(name: String): T =
    (this as? Map<*, *>)?.get(name) as? T ?: throw Json.Malformed("no member $name of the expected type")
