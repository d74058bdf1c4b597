import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/** Holds DecisionToken to the vectors of docs/decision-token.md, whose path is the argument. Exit 1 on any difference. */
public final class DecisionTokenTest {
    private static int differences;

    public static void main(String[] args) throws Exception {
        Set<String> outcomes = new HashSet<>();
        int good = 0;
        List<Map<String, String>> all = vectors(Path.of(args[0]));
        for (Map<String, String> v : all) {
            String outcome = judge(v, v.get("token"), v.get("target"));
            hold(v.get("vector"), outcome, v.get("outcome"));
            outcomes.add(v.get("outcome"));
            if (v.get("outcome").equals("good")) {
                good++;
                mutilate(v);
            }
        }
        hold("three good ones and every outcome are on the page", good >= 3 && outcomes.size() == 7, true);
        hold("a key of zeros", refusesKey(new byte[32]), true);
        hold("a short key", refusesKey(new byte[]{1}), true);
        if (differences > 0) {
            System.out.println(differences + " differences");
            System.exit(1);
        }
        System.out.println(all.size() + " vectors hold");
    }

    /** What the page does not list: every spelling but the one is refused, and every letter counts. */
    private static void mutilate(Map<String, String> v) throws Exception {
        String token = v.get("token");
        String payload = v.get("payload");
        for (int i = 0; i < token.length(); i++) {
            String wrong = token.substring(0, i) + (token.charAt(i) == 'A' ? 'B' : 'A') + token.substring(i + 1);
            hold("character " + i + " changed is not good", judge(v, wrong, v.get("target")).equals("good"), false);
        }
        hold("the payload, signed here", judge(v, sign(v, payload), v.get("target")), "good");
        hold("another target", judge(v, token, v.get("target") + "&x"), "other-request");
        for (String wrong : List.of(
                payload + " ",
                payload.replace("\"v\":1", "\"v\":1.0"),
                payload.replace("\"m\":\"", "\"m\":\"\\u0047"),
                payload.replace("/v1", "\\/v1"),
                payload.replace("\"u\":", "\"a\":\"acc_8\",\"u\":"),
                payload.replace("acc_", "acc_\u00e9"),
                payload.replace("\"iat\":", "\"iat\":0"),
                payload.replace("\"exp\":1", "\"exp\":2"),
                payload.replace("\"d\":\"dec_", "\"d\":\"evt_"),
                "{}", "")) {
            hold("signed, but spelled " + wrong, judge(v, sign(v, wrong), v.get("target")), "malformed");
        }
        for (String wrong : Arrays.asList(null, "", "kwd1.", "kwd1..", token + "=", token + "." + token, " " + token, token + ", " + token)) {
            hold("the token " + wrong, judge(v, wrong, v.get("target")), "malformed");
        }
    }

    private static String sign(Map<String, String> v, String payload) throws Exception {
        Base64.Encoder url = Base64.getUrlEncoder().withoutPadding();
        String signed = "kwd1." + url.encodeToString(payload.getBytes(StandardCharsets.UTF_8));
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(Base64.getDecoder().decode(v.get("key")), "HmacSHA256"));
        return signed + "." + url.encodeToString(mac.doFinal(signed.getBytes(StandardCharsets.US_ASCII)));
    }

    private static String judge(Map<String, String> v, String token, String target) {
        DecisionToken gate = new DecisionToken(List.of(Base64.getDecoder().decode(v.get("key"))));
        try {
            DecisionToken.Decision d = gate.check(token, v.get("method"), target, v.get("body").getBytes(StandardCharsets.UTF_8), Long.parseLong(v.get("at")));
            if (v.containsKey("payload")) {
                hold("the payload of " + v.get("vector"), d.payload(), v.get("payload"));
            }
            return "good";
        } catch (DecisionToken.Refused e) {
            return e.reason.name().toLowerCase(Locale.ROOT).replace('_', '-');
        }
    }

    private static boolean refusesKey(byte[] key) {
        try {
            new DecisionToken(List.of(key));
            return false;
        } catch (IllegalArgumentException e) {
            return true;
        }
    }

    private static void hold(String what, Object got, Object want) {
        if (!want.equals(got)) {
            differences++;
            System.out.println(what + ": " + got + ", want " + want);
        }
    }

    /** The fenced blocks that begin with "vector:", each by the names of its lines. */
    private static List<Map<String, String>> vectors(Path page) throws Exception {
        List<Map<String, String>> all = new ArrayList<>();
        Map<String, String> block = null;
        for (String line : Files.readString(page).split("\n", -1)) {
            if (line.startsWith("vector: ")) {
                block = new HashMap<>();
                all.add(block);
            }
            if (line.equals("```")) {
                block = null;
            } else if (block != null) {
                String[] parts = line.split(":", 2);
                block.put(parts[0], parts[1].startsWith(" ") ? parts[1].substring(1) : parts[1]);
            }
        }
        return all;
    }
}
