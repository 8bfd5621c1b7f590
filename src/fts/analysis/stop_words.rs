//! Words too frequent to tell documents apart, per language.
//!
//! Used by [`Analyzer`](super::Analyzer) after normalisation, elision and possessive, before
//! stemming. English has Lucene's classic 33 words, because reference numbers are made with them.
//! Danish, Dutch, Finnish, French, German, Italian, Norwegian, Portuguese, Russian, Spanish and
//! Swedish have short lists of articles, pronouns, prepositions, conjunctions and forms of "to be"
//! and "to have": only words that are hardly ever what somebody looks for; so has Hindi. **All other languages have none**; switching
//! stop words on does nothing there.
//!
//! A list is there only where an established one was, of which it could be a part: Snowball's of those European languages, and that of
//! stopwords-iso (MIT) in Hindi. None was made to fit a collection of judged queries. Vietnamese has none for that reason: neither
//! Snowball nor Lucene has one, that of stopwords-iso holds "day", "house" and "year", and since a space stands between its syllables,
//! the most frequent ones are syllables of other words too ([`Analyzer::writes_syllables`](super::Analyzer::writes_syllables)).
//!
//! Lists are sorted, so that a look-up is a binary search; a list never changes without its name in
//! the fingerprint changing. A test checks the order and that each word is a term that analysis can
//! produce.

use super::language::Language;

/// The list of a language, sorted by bytes; empty when there is none.
pub(super) fn stop_words(language: Language) -> &'static [&'static str] {
    match language {
        Language::Danish => DANISH,
        Language::Dutch => DUTCH,
        Language::English => ENGLISH,
        Language::Finnish => FINNISH,
        Language::French => FRENCH,
        Language::German => GERMAN,
        Language::Hindi => HINDI,
        Language::Italian => ITALIAN,
        Language::Norwegian => NORWEGIAN,
        Language::Portuguese => PORTUGUESE,
        Language::Russian => RUSSIAN,
        Language::Spanish => SPANISH,
        Language::Swedish => SWEDISH,
        _ => &[],
    }
}

#[rustfmt::skip]
const DANISH: &[&str] = &[
    "af", "at", "blev", "blive", "bliver", "da", "de", "dem", "den", "denne", "der", "deres",
    "det", "dette", "dig", "din", "disse", "dog", "du", "efter", "eller", "en", "end", "er", "et",
    "for", "fra", "ham", "han", "hans", "har", "havde", "have", "hende", "hendes", "her", "hos",
    "hun", "hvad", "hvis", "hvor", "i", "ikke", "ind", "jeg", "jer", "jo", "kunne", "man", "med",
    "meget", "men", "mig", "min", "mit", "mod", "ned", "noget", "nogle", "nu", "når", "og",
    "også", "om", "op", "os", "over", "på", "sig", "sin", "skal", "skulle", "som", "sådan", "til",
    "ud", "under", "var", "vi", "vil", "ville", "vor", "være", "været",
];

#[rustfmt::skip]
const DUTCH: &[&str] = &[
    "aan", "al", "alles", "als", "ben", "bij", "daar", "dan", "dat", "de", "der", "deze", "die",
    "dit", "doch", "door", "dus", "een", "en", "er", "ge", "had", "hebben", "heeft", "hem", "het",
    "hier", "hij", "hoe", "hun", "ik", "in", "is", "ja", "je", "kan", "kon", "maar", "me", "mij",
    "mijn", "na", "naar", "niet", "niets", "nog", "nu", "of", "om", "omdat", "ons", "ook", "op",
    "over", "reeds", "te", "tegen", "toch", "toen", "tot", "u", "uit", "uw", "van", "veel",
    "voor", "want", "waren", "was", "wat", "we", "wel", "werd", "wezen", "wie", "wij", "wil",
    "worden", "wordt", "zal", "ze", "zelf", "zich", "zij", "zijn", "zo", "zonder", "zou",
];

#[rustfmt::skip]
const ENGLISH: &[&str] = &[
    "a", "an", "and", "are", "as", "at", "be", "but", "by", "for", "if", "in", "into", "is", "it",
    "no", "not", "of", "on", "or", "such", "that", "the", "their", "then", "there", "these",
    "they", "this", "to", "was", "will", "with",
];

#[rustfmt::skip]
const FINNISH: &[&str] = &[
    "ei", "eivät", "emme", "en", "et", "ette", "että", "he", "heidän", "heille", "hän", "hänen",
    "häntä", "ja", "joka", "jos", "jota", "jotka", "kanssa", "koska", "kuin", "kuka", "kun", "me",
    "meidän", "meille", "mikä", "minkä", "minulla", "minun", "minut", "minä", "mukaan", "mutta",
    "myös", "ne", "niiden", "niin", "nyt", "ole", "olemme", "olen", "olet", "olette", "oli",
    "olimme", "olin", "olisi", "olit", "olivat", "olla", "ollut", "on", "ovat", "se", "sekä",
    "sen", "siinä", "sille", "sinun", "sinä", "sitä", "tai", "te", "teidän", "tämä", "tämän",
    "tätä", "vaan", "vai", "vaikka",
];

#[rustfmt::skip]
const FRENCH: &[&str] = &[
    "ai", "as", "au", "aux", "avait", "avec", "avez", "avoir", "avons", "c", "ce", "ces", "cet",
    "cette", "d", "dans", "de", "des", "du", "elle", "elles", "en", "est", "et", "eu", "eux",
    "il", "ils", "j", "je", "l", "la", "le", "les", "leur", "leurs", "lui", "m", "ma", "mais",
    "me", "mes", "moi", "mon", "n", "ne", "nos", "notre", "nous", "on", "ont", "ou", "où", "par",
    "pas", "pour", "qu", "que", "qui", "s", "sa", "se", "sera", "ses", "si", "son", "sont", "sur",
    "t", "ta", "te", "tes", "toi", "ton", "tu", "un", "une", "vos", "votre", "vous", "y", "à",
    "étaient", "était", "été", "être",
];

#[rustfmt::skip]
const GERMAN: &[&str] = &[
    "aber", "als", "also", "am", "an", "auch", "auf", "aus", "bei", "bin", "bis", "bist", "da",
    "damit", "dann", "das", "dass", "dein", "deine", "dem", "den", "denn", "der", "des", "dessen",
    "dich", "die", "dies", "diese", "diesem", "diesen", "dieser", "dieses", "dir", "doch", "dort",
    "du", "durch", "ein", "eine", "einem", "einen", "einer", "eines", "er", "es", "euch", "euer",
    "für", "gegen", "hab", "habe", "haben", "hat", "hatte", "hatten", "hier", "hin", "hinter",
    "ich", "ihm", "ihn", "ihnen", "ihr", "ihre", "ihrem", "ihren", "ihrer", "im", "in", "ist",
    "ja", "jede", "jedem", "jeden", "jeder", "jedes", "kann", "kein", "keine", "mein", "meine",
    "mich", "mir", "mit", "nach", "nicht", "noch", "nun", "nur", "ob", "oder", "ohne", "sehr",
    "sein", "seine", "seinem", "seinen", "seiner", "seit", "sich", "sie", "sind", "so", "um",
    "und", "uns", "unser", "unter", "vom", "von", "vor", "war", "waren", "was", "weil", "wenn",
    "werde", "werden", "wie", "wieder", "wir", "wird", "wo", "zu", "zum", "zur", "über",
];

#[rustfmt::skip]
const HINDI: &[&str] = &[
    "अपना", "अपनी", "अपने", "इन", "इस", "उन", "उस", "एक", "और", "कर", "का", "कि", "किया", "की",
    "के", "को", "गई", "गया", "जब", "जो", "तक", "तब", "तो", "था", "थी", "थे", "ने", "पर", "भी",
    "में", "यह", "या", "ये", "लिए", "वह", "वे", "साथ", "से", "ही", "हुआ", "हुई", "हुए", "है",
    "हैं", "हो", "होता", "होती", "होते",
];

#[rustfmt::skip]
const ITALIAN: &[&str] = &[
    "a", "ad", "agli", "ai", "al", "alla", "alle", "allo", "anche", "avere", "c", "che", "chi",
    "ci", "come", "con", "contro", "cui", "da", "dagli", "dai", "dal", "dalla", "dalle", "dallo",
    "de", "degli", "dei", "del", "dell", "della", "delle", "dello", "di", "dove", "e", "ed",
    "era", "erano", "essere", "gli", "ha", "hai", "hanno", "ho", "i", "il", "in", "io", "l", "la",
    "le", "lei", "li", "lo", "loro", "lui", "ma", "mi", "mia", "mie", "miei", "mio", "ne",
    "negli", "nei", "nel", "nella", "nelle", "nello", "noi", "non", "o", "per", "perché", "più",
    "quella", "quelle", "quelli", "quello", "questa", "queste", "questi", "questo", "se", "sei",
    "si", "sia", "siamo", "siete", "sono", "su", "sua", "sue", "sugli", "sui", "sul", "sulla",
    "sulle", "sullo", "suo", "suoi", "ti", "tra", "tu", "tua", "tuo", "un", "una", "uno", "vi",
    "voi", "è",
];

#[rustfmt::skip]
const NORWEGIAN: &[&str] = &[
    "alle", "at", "av", "bare", "begge", "ble", "blei", "bli", "blir", "da", "de", "deg", "dei",
    "deim", "deira", "dem", "den", "denne", "der", "dere", "deres", "det", "dette", "di", "din",
    "disse", "ditt", "du", "dykk", "eg", "ein", "eit", "eller", "en", "enn", "er", "et", "ett",
    "etter", "for", "fordi", "fra", "før", "ha", "hadde", "han", "hans", "har", "henne", "hennes",
    "her", "hun", "hva", "hvem", "hver", "hvis", "hvor", "hvordan", "hvorfor", "i", "ikke",
    "ikkje", "ja", "jeg", "kan", "kom", "kun", "kunne", "man", "med", "meg", "men", "mi", "min",
    "mitt", "mot", "mye", "nå", "når", "og", "også", "om", "opp", "oss", "over", "på", "sa",
    "seg", "selv", "si", "sia", "sin", "sine", "sitt", "skal", "skulle", "som", "så", "til", "um",
    "under", "ut", "var", "ved", "vi", "vil", "ville", "vår", "være", "vært",
];

#[rustfmt::skip]
const PORTUGUESE: &[&str] = &[
    "a", "ao", "aos", "aquela", "aquelas", "aquele", "aqueles", "aquilo", "as", "até", "com",
    "como", "da", "das", "de", "dela", "delas", "dele", "deles", "depois", "do", "dos", "e",
    "ela", "elas", "ele", "eles", "em", "entre", "era", "eram", "essa", "essas", "esse", "esses",
    "esta", "estas", "este", "estes", "está", "estão", "eu", "foi", "foram", "há", "isso", "isto",
    "já", "lhe", "lhes", "mas", "me", "mesmo", "meu", "meus", "minha", "minhas", "muito", "na",
    "nas", "nem", "no", "nos", "nossa", "nosso", "num", "numa", "não", "nós", "o", "os", "ou",
    "para", "pela", "pelas", "pelo", "pelos", "por", "qual", "quando", "que", "quem", "se", "sem",
    "ser", "seu", "seus", "sua", "suas", "são", "só", "também", "te", "tem", "tinha", "tu", "tua",
    "tuas", "têm", "um", "uma", "você", "vocês", "à", "às", "é",
];

#[rustfmt::skip]
const RUSSIAN: &[&str] = &[
    "а", "без", "более", "бы", "был", "была", "были", "было", "быть", "в", "вам", "вас", "весь",
    "во", "вот", "все", "всего", "всех", "вы", "где", "да", "даже", "для", "до", "его", "ее",
    "если", "есть", "еще", "же", "за", "здесь", "и", "из", "или", "им", "их", "к", "как", "ко",
    "когда", "кто", "ли", "либо", "мне", "может", "мы", "на", "надо", "наш", "не", "него", "нее",
    "нет", "ни", "них", "но", "ну", "о", "об", "однако", "он", "она", "они", "оно", "от", "очень",
    "по", "под", "при", "с", "со", "так", "также", "такой", "там", "те", "тем", "то", "того",
    "тоже", "той", "только", "том", "ты", "у", "уже", "хотя", "чего", "чей", "чем", "что",
    "чтобы", "чье", "чья", "эта", "эти", "это", "этого", "этой", "этом", "этот", "я",
];

#[rustfmt::skip]
const SPANISH: &[&str] = &[
    "a", "al", "algo", "ante", "antes", "aquel", "aquella", "aquello", "así", "aunque", "como",
    "con", "contra", "cual", "cuando", "de", "del", "desde", "donde", "durante", "e", "el",
    "ella", "ellas", "ellos", "en", "entre", "era", "eran", "es", "esa", "esas", "ese", "eso",
    "esos", "esta", "estaba", "estas", "este", "esto", "estos", "está", "están", "fue", "fueron",
    "ha", "había", "han", "hasta", "hay", "la", "las", "le", "les", "lo", "los", "me", "mi",
    "mis", "muy", "más", "ni", "no", "nos", "nosotros", "o", "os", "otra", "otro", "para", "pero",
    "por", "porque", "que", "quien", "qué", "se", "ser", "si", "sin", "sobre", "son", "su", "sus",
    "sí", "también", "te", "ti", "tiene", "tu", "tus", "un", "una", "uno", "unos", "y", "ya",
    "yo", "él",
];

#[rustfmt::skip]
const SWEDISH: &[&str] = &[
    "alla", "allt", "att", "av", "blev", "bli", "blir", "de", "dem", "den", "denna", "deras",
    "dess", "det", "detta", "dig", "din", "dina", "ditt", "du", "där", "då", "efter", "ej",
    "eller", "en", "er", "era", "ett", "från", "för", "ha", "hade", "han", "hans", "har", "henne",
    "hennes", "hon", "honom", "hur", "här", "i", "icke", "ingen", "inom", "inte", "jag", "ju",
    "kan", "kunde", "man", "med", "mellan", "men", "mig", "min", "mina", "mitt", "mot", "mycket",
    "ni", "nu", "när", "någon", "något", "några", "och", "om", "oss", "på", "samma", "sedan",
    "sig", "sin", "sina", "sitt", "själv", "skulle", "som", "så", "sådan", "till", "under", "upp",
    "ut", "utan", "vad", "var", "vara", "vem", "vi", "vid", "vilken", "vår", "våra", "än", "är",
    "åt", "över",
];

#[cfg(test)]
mod tests {
    use super::super::normalize::normalize_into;
    use super::*;

    #[test]
    fn lists_are_sorted_and_hold_terms_that_analysis_makes() {
        for language in Language::ALL {
            let words = stop_words(language);
            assert!(words.is_sorted_by(|left, right| left < right), "{language}");
            for word in words {
                let mut normalized = String::new();
                normalize_into(word, Some(language), 255, &mut normalized);
                assert_eq!(normalized, *word, "{language}");
            }
        }
    }

    #[test]
    fn english_has_the_classic_thirty_three() {
        assert_eq!(stop_words(Language::English).len(), 33);
    }
}
