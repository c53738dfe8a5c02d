"""Patterns of what identifies a patient, in the order in which they claim a place in a text.

Verbose regular expressions: a space is ``[ ]``. Small letters stand for both cases, but for what
``(?-i:...)`` encloses: names and codes are written with capitals.
"""

from medtune.guard.sections import Identifier

_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_NTH = r"\d{1,2}(?:st|nd|rd|th)?"
_YEAR = r"(?:19|20)\d\d"
_DATE = rf"""(?:
    {_DAY}(?P<s>[/-]){_DAY}(?P=s)(?:19|20)?\d\d(?![\d/-]|\.\d)
  | {_DAY}\.{_DAY}\.{_YEAR}(?!\d)
  | {_DAY}(?P<u>[/-]){_MONTH}(?P=u)(?:19|20)?\d\d(?!\d)
  | {_DAY}{_MONTH}{_YEAR}(?!\d)
  | {_YEAR}(?P<t>[/.-])(?:0?[1-9]|1[0-2])(?P=t){_DAY}(?!\d)
  | {_MONTH}[ ]{_NTH},?[ ]{_YEAR}
  | {_NTH}[ ](?:of[ ])?{_MONTH},?[ ]{_YEAR})"""

_BIRTH = rf"""(?:
    {_DATE} | {_DAY}\.{_DAY}\.\d\d(?![\d.])
  | (?:\d{{8}}|\d{{6}})(?![\d/-]) | (?:0?[1-9]|1[0-2])/{_YEAR} | {_MONTH},?[ ](?:of[ ])?{_YEAR})"""

_CALLED = "|".join(
    f"(?<={word})"
    for word in ("call[ ]", "call[ ]at[ ]", "phone[ ]", "phone:[ ]", "tel[ ]", "tel:[ ]",
                 r"tel\.[ ]", "cell[ ]", "cell:[ ]", "mobile[ ]", "mobile:[ ]", "number[ ]is[ ]",
                 "telephone:[ ]", "number:[ ]")
)  # fmt: skip
_IS = r"[ ]?(?:is|was|:|\#|=|no\.?|number|num)?[ :\#.=]*"
_CODE = r"(?-i:(?=[A-Z/-]*\d)[A-Z0-9][A-Z0-9/-]{3,})(?![a-z])"
_GROUPED_CODE = r"(?-i:(?=(?:[A-Z -]*\d){4})[A-Z0-9]{3,}(?:[ -](?=[A-Z]*\d)[A-Z0-9]{2,}){0,4})"
_IBAN = r"(?-i:\b[A-Z]{2}\d{2}(?:[ ]?[A-Z0-9]{4}){2,7}[ ]?[A-Z0-9]{1,4}\b)"
_CARD = r"\d{4}[ -](?:\d{4}[ -]\d{4}[ -]\d{1,7}|\d{6}[ -]\d{5})(?!\d)"
_OCTET = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
_STREET = (
    r"(?:street|st|avenue|ave|road|rd|boulevard|blvd|lane|ln|drive|dr|court|ct|place|pl|way"
    r"|terrace|circle|cir|highway|hwy|square|crescent|close)"
)
_LETTERS = [chr(code) for code in (*range(0xC0, 0x250), *range(0x1E00, 0x1F00))]
_UPPER = f"[A-Z{''.join(filter(str.isupper, _LETTERS))}]"
# With the accents that stand behind their letter.
_LOWER = f"[a-z{''.join(filter(str.islower, _LETTERS))}\u0300-\u036f'-]"
_SURNAME = rf"{_UPPER}{_LOWER}+(?:{_UPPER}{_LOWER}+)?"
_NAME = rf"""(?-i:(?:(?:de|del|della|di|da|la|le|van|von|der|den|ter|bin|al|el)[ ]){{0,3}}
    {_SURNAME}(?:[ ][A-Z]\.?(?![a-z]))?(?:[ ]{_SURNAME})*)"""
# ABC and XYZ stand where a name was taken out.
_CAPITALS = rf"(?-i:(?!(?:ABC|XYZ)\b){_UPPER}(?:{_UPPER}|['-])+(?![a-z]))"

PATTERNS: dict[Identifier, str] = {
    "birth_date": rf"""
        \b(?:d\.?o\.?b|date[ ]of[ ]birth|birth[ ]?(?:date|day)|born(?:[ ]on)?)\b
        [ .:]*(?:is[ ]|was[ ]|on[ ]|in[ ])?{_BIRTH}""",
    "fax": r"\bfax\b[^.;\n]{0,40}?\+?\d[\d ().-]{6,}\d",
    "ssn": r"""
        (?<![\d-])\d{3}-\d{2}-\d{4}(?![\d-])
      | \b(?:ssn|social[ ]security)\b[^.;\n\d]{0,20}(?:no\.?[ ])?\d{3}[ -]?\d{2}[ -]?\d{4}""",
    "mrn": rf"""
        \b(?:mrn|medical[ ]record|hospital|chart|patient[ ]id|unit)\b
        (?:[ ](?:no\.?|num(?:ber)?|id))?[ :\#.=]*(?:is[ ])?(?<!\w)(?:no\.?[ ])?\d[\d-]{{4,}}
      | \b(?:mrn|patient[ ]id|(?:medical[ ]record|hospital|chart)[ ](?:no\.?|num(?:ber)?|id)(?!\w))
        {_IS}{_CODE}
      | \bmrn{_IS}\d{{2,3}}(?:[ ]\d{{2,4}}){{1,4}}(?!\d)""",
    "health_plan": rf"""
        \b(?:medicare|medicaid|member|policy|insurance|beneficiary|subscriber|nhs)\b
        (?:[ ](?:member|id|policy|no\.?|number|\#))*{_IS}(?:id{_IS})?{_GROUPED_CODE}""",
    "account": rf"""
        \b(?:account|acct|invoice|iban|card)\b\.?{_IS}(?:{_CARD}|{_CODE})
      | {_IBAN}
      | (?<![\w.-])(?P<card>\d{{13,19}}|{_CARD})(?![\w-]|\.\d)""",
    "licence": rf"\b(?:licen[cs]e|dea|npi|certificate|passport)\b{_IS}{_CODE}",
    "vehicle": rf"""
        \bvin\b{_IS}[A-HJ-NPR-Z0-9]{{17}}\b
      | \b(?:license|licence|number)[ ]plate\b{_IS}{_CODE}
      | \b(?:plate|registration)[ ]number\b{_IS}{_CODE}""",
    "device": rf"\b(?:serial|device[ ]id|imei|udi)\b(?:[ ](?:no\.?|number))?{_IS}{_CODE}",
    "email": r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+",
    "phone": rf"""(?<![\d.-])(?:
        \+\d{{1,3}}[ .-]?(?:\(0\)[ ]?)?(?:\d[ .-]?){{7,12}}\d
      | (?:1[ .-])?(?:\([2-9]\d{{2}}\)[ .-]?|[2-9]\d{{2}}[ .-])\d{{3}}[ .-]\d{{4}}
      | (?:{_CALLED})[2-9]\d{{9}}
      | (?:{_CALLED})[2-9]\d{{2}}[ .-]\d{{4}}
      | 0\d{{2,4}}[ -]\d{{3,4}}[ -]?\d{{3,4}}
      | 0\d{{3,4}}(?:[ ]\d{{2,3}}){{2,3}})(?![\d-])""",
    "address": rf"""
        \b\d{{1,6}}[ ](?:[NSEW]\.?[ ])?(?-i:[A-Z][a-z]+[ ]){{1,3}}{_STREET}\b
      | \bp\.?o\.?[ ]box[ ]\d+""",
    "zip": r"""
        \b(?:zip|postal|post)[ -]?(?:code)?[ :]*\d{5}(?:-\d{4})?\b
      | (?-i:\b[A-Z]{2}[ ]\d{5}(?:-\d{4})?\b)
      | (?-i:\b[A-Z]{1,2}\d[A-Z\d]?[ ]\d[A-Z]{2}\b)""",
    "age": r"""
        \b(?:9\d|1[01]\d|12\d)[ -]?(?:-?(?:years?|yrs?)[ -]old|yo\b|y/o\b)
      | \baged?[ ](?:9\d|1[01]\d)\b""",
    "url": r"\b(?:https?://|www\.)[^\s\"'<>)\]]+",
    "ip": rf"""
        (?<![\w.])(?<!version[ ])(?<!release[ ])(?:{_OCTET}\.){{3}}{_OCTET}(?![\w.]?\d)
      | (?<![\w:])(?:[0-9a-f]{{1,4}}:){{7}}[0-9a-f]{{1,4}}(?![\w:])""",
    "date": rf"(?<![\w/.-]){_DATE}",
    "name": rf"""
        \b(?-i:Mr|Mrs|Ms|Miss|Mx|Mister)\.?[ ](?:{_NAME}|{_CAPITALS})
      # MR is an image, where no stop is behind it, and MS a disease: "of MS. MRI showed".
      | \b(?-i:MRS\.?|(?:MR|MX|MISS)\.|MS\.(?=(?-i:[ ](?:{_UPPER}|['-]){{4}})))[ ]{_CAPITALS}
      | \b(?:patient(?:'s)?[ ])?name[ ]?:[ ]?{_CAPITALS},?[ ]{_CAPITALS}
      # Not behind "Pt: NAD, ALERT", nor of three parts: "Patient: HTN, DM, COPD".
      | \bpatient[ ]?:[ ]?{_CAPITALS},[ ]{_CAPITALS}(?-i:(?!{_UPPER}|,[ ]{_UPPER}{{2}}))
      | \b(?:patient(?:'s)?[ ]name|name|pt|patient)[ ]?:[ ]?{_NAME}
      | \bname(?:d|[ ](?:is|as|was))[ ]{_NAME}
      | \bpatient(?:,|[ ]named)[ ](?-i:{_SURNAME}[ ]{_SURNAME})""",
}
