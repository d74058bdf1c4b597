import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.PublicKey;
import java.util.Base64;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/** Holds Confirmation to the vectors of executor, whose file is the argument. Exit 1 on any difference. */
public final class ConfirmationTest {
    private static int differences;

    public static void main(String[] args) throws Exception {
        String file = Files.readString(Path.of(args[0]));
        Map<String, Object> all = Confirmation.Json.object(file.getBytes(StandardCharsets.UTF_8));
        // The keys are read as they would be from the issuer: as text.
        int from = file.indexOf("\"jwks\":") + 7;
        Map<String, PublicKey> keys = Confirmation.keys(file.substring(from, end(file, from)));
        Confirmation keyward = new Confirmation((String) all.get("issuer"), (String) all.get("audience"), (String) all.get("rp_id"),
            Set.of((String) ((List<?>) all.get("origins")).get(0)), keys);
        Set<String> outcomes = new HashSet<>();
        List<?> vectors = (List<?>) all.get("vectors");
        for (Object one : vectors) {
            Map<String, Object> v = Confirmation.Json.object(one);
            String name = (String) v.get("name");
            String token = (String) v.get("token");
            long now = Long.parseLong(((Confirmation.Json.Number) v.get("now")).text());
            Confirmation.Withdrawal want = withdrawal(Confirmation.Json.object(v.get("want")));
            String says = judge(keyward, token, want, now);
            hold(name, says, v.get("says"));
            outcomes.add(says);
            if (says.equals("ok")) {
                mutilate(keyward, name, token, want, now);
            }
        }
        hold("more than fifty, and every outcome", vectors.size() > 50 && outcomes.equals(Set.of("ok", "proof", "expired", "different")), true);
        if (differences > 0) {
            System.out.println(differences + " differences");
            System.exit(1);
        }
        System.out.println(vectors.size() + " vectors hold");
    }

    /** What the file does not list: every letter of a token counts, and a withdrawal that cannot be is never asked about. */
    private static void mutilate(Confirmation keyward, String name, String token, Confirmation.Withdrawal w, long now) {
        for (int i = 0; i < token.length(); i++) {
            String wrong = token.substring(0, i) + (token.charAt(i) == 'A' ? 'B' : 'A') + token.substring(i + 1);
            hold(name + ", character " + i + " changed", judge(keyward, wrong, w, now), "proof");
        }
        for (String wrong : new String[]{null, "", "..", token + "=", token + ".", " " + token, token.substring(0, token.lastIndexOf('.') + 1)
            + Base64.getUrlEncoder().withoutPadding().encodeToString(new byte[64])}) {
            hold(name + ", the token " + wrong, judge(keyward, wrong, w, now), "proof");
        }
        for (Confirmation.Withdrawal wrong : List.of(
            new Confirmation.Withdrawal("", w.asset(), w.network(), w.amount(), w.maxFee(), w.address(), w.memo()),
            new Confirmation.Withdrawal(w.account(), "B TC", w.network(), w.amount(), w.maxFee(), w.address(), w.memo()),
            new Confirmation.Withdrawal(w.account(), w.asset(), w.network(), "0.0", w.maxFee(), w.address(), w.memo()),
            new Confirmation.Withdrawal(w.account(), w.asset(), w.network(), "1e3", w.maxFee(), w.address(), w.memo()),
            new Confirmation.Withdrawal(w.account(), w.asset(), w.network(), w.amount(), "-1", w.address(), w.memo()),
            new Confirmation.Withdrawal(w.account(), w.asset(), w.network(), w.amount(), w.maxFee(), w.address() + "\u200b", w.memo()),
            new Confirmation.Withdrawal(w.account(), w.asset(), w.network(), w.amount(), w.maxFee(), w.address(), "rent\u202e"))) {
            hold(name + ", for what is no withdrawal", judge(keyward, token, wrong, now), "withdrawal");
        }
        hold(name + ", 120 seconds after the approval", judge(keyward, token, w, now + 120), "expired");
    }

    private static String judge(Confirmation keyward, String token, Confirmation.Withdrawal want, long now) {
        try {
            Confirmation.Approved a = keyward.check(token, want, now);
            return a.id().startsWith("int_") && a.key().length > 40 ? "ok" : "an approval without id or key";
        } catch (Confirmation.Refused e) {
            return e.reason.name().toLowerCase(Locale.ROOT);
        }
    }

    private static Confirmation.Withdrawal withdrawal(Map<String, Object> m) {
        return new Confirmation.Withdrawal((String) m.get("Account"), (String) m.get("Asset"), (String) m.get("Network"), (String) m.get("Amount"),
            (String) m.get("MaxFee"), (String) m.get("Address"), (String) m.get("Memo"));
    }

    /** Where the object that begins at from ends. There are no braces in the texts of a JWK Set. */
    private static int end(String s, int from) {
        int depth = 0;
        for (int i = from; i < s.length(); i++) {
            depth += s.charAt(i) == '{' ? 1 : s.charAt(i) == '}' ? -1 : 0;
            if (depth == 0 && s.charAt(i) == '}') {
                return i + 1;
            }
        }
        throw new IllegalArgumentException("no end");
    }

    private static void hold(String what, Object got, Object want) {
        if (!want.equals(got)) {
            differences++;
            System.out.println(what + ": " + got + ", want " + want);
        }
    }
}
