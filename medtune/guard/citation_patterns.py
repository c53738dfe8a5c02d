"""Patterns of citations: guidelines, organisations, papers.

Verbose regular expressions: a space is ``[ ]``. Repetitions are bounded, so that a long text of
capitals does not take long.
"""

import re

_GUIDANCE = r"""(?:(?:clinical[ ]practice[ ]|practice[ ]|clinical[ ])?(?:guidelines?|guidance
    |recommendations?|consensus(?:[ ](?:statement|report|document|conference))?
    |position[ ](?:statement|paper)|scientific[ ]statement|practice[ ](?:parameter|bulletin)
    |standards(?:[ ]of[ ]care)?|criteria|protocol|statement|classification|update|report
    |definition))"""
_ATTRIBUTION = r"""(?:(?:according[ ]to|as[ ](?:stated|recommended|advised|outlined)[ ](?:by|in)
    |recommended[ ]by|endorsed[ ]by|published[ ]by|guidelines?[ ](?:from|of|by))[ ](?:the[ ])?)"""
YEAR = r"(?:1[89]|20|21)\d\d"
_ACRONYM = r"[A-Z][A-Z0-9]{2,}(?:-[A-Z0-9]+)*"

ACRONYM = re.compile(
    rf"""(?<![\w-])(?:
      (?P<guided>{_ACRONYM})
        (?=(?:[/ ]{_ACRONYM}){{0,4}}[ )](?:\(?{YEAR}\)?[ ])?(?:\w+[ ]){{0,3}}?{_GUIDANCE}\b)
    | (?P<dated>{_ACRONYM})(?=[ ]\(?{YEAR}\)?[ ](?:recommend|advis|suggest|state|defin|guid))
    | (?P<saying>{_ACRONYM})(?=[ ](?:recommends|advises|endorses)\b)
    )""",
    re.VERBOSE,
)
"""Capitals beside guidance or a verb of advice."""
ATTRIBUTED = re.compile(
    rf"{_ATTRIBUTION}(?:{YEAR}[ ])?(?P<attributed>{_ACRONYM})(?![\w-])", re.VERBOSE
)

_NOUN = r"""(?:Society|Societies|Association|College|Academy|Council|Institute|Federation
    |Foundation|Board|Committee|Organi[sz]ation|Network|Initiative|Consortium|Alliance|Campaign
    |Group|Force|Agency|League|Centers?|Administration|Commission|Collaboration|Congress|Union)"""
_CAPITAL = r"[A-Z][\w'-]*"
_NAME_WORD = r"(?:[A-Z][\w'.-]*|of|for|the|and|on|in|&)"
ORGANISATION = re.compile(
    rf"""(?<![\w-]){_CAPITAL}(?:[ ]{_NAME_WORD}){{0,8}}?[ ]{_NOUN}(?![\w-])
      (?:(?:[ ](?:of|for|on|in|and|the|to|&)){{1,2}}[ ]{_CAPITAL}(?:[ ]{_CAPITAL}){{0,4}}){{0,3}}
    | (?<![\w-]){_NOUN}[ ](?:of|for|on)[ ](?:the[ ])?{_CAPITAL}(?:[ ]{_NAME_WORD}){{0,8}}""",
    re.VERBOSE,
)
AUTHORITY_BEFORE = re.compile(
    rf"""(?:{_ATTRIBUTION}|\b(?:per|follow(?:s|ing)?|{_GUIDANCE},?)[ ](?:by[ ]|of[ ]|from[ ])?
      (?:the[ ])?)\Z""",
    re.IGNORECASE | re.VERBOSE,
)
AUTHORITY_BEHIND = re.compile(
    rf"""(?:[ ]\([A-Z-]+\))?[ ](?:\(?{YEAR}\)?[ ])?(?:\w+[ ]){{0,5}}?
      (?:recommend|advis|suggest|endors|defin|stat|support|requir|approv|says|warn|{_GUIDANCE})""",
    re.IGNORECASE | re.VERBOSE,
)
"""What makes an organisation an authority: a place of work or of care is none."""

# Words that stand with a capital before guidelines of nobody in particular.
_TITLE_WORD = r"""(?!(?:The|An|This|That|These|Those|Current|Clinical|Practice|Most|Many|Recent|New
    |Local|National|International|Follow|Following|Per|All|Some|Several|Treatment|Our|Your|Both
    |Other|Good|Evidence|Management|According|Existing|Updated|Published|Professional|Medical
    |Dosing|Safety|Operational|Dietary|Activity|Revised|Latest|General|Specific|Official|Relevant
    |Standard|Institutional|Hospital|Screening
    |American|European|British|Canadian|Australian|German|French|Dutch|Swiss|Japanese|Indian|Chinese
    |Under|With|When|What|Which|Where|While|Since|For|But|And|Are|Use|See)[ ])[A-Z][a-z]{2,}"""
_TITLE = rf"{_TITLE_WORD}(?:[ ]{_TITLE_WORD}){{0,4}}[ ]"

GUIDELINE_CODE = re.compile(r"(?<![\w-])(?:NG|CG|TA|QS|PH|CSG)[ ]?\d{1,4}(?![\w-])")
NAMED_CRITERIA = re.compile(
    rf"""(?<![\w-])[A-Z][a-z]+-[A-Z][a-z]+[ ]{_GUIDANCE}(?![\w-])
    | (?<![\w-]){_ACRONYM}-\d+[ ]{_GUIDANCE}
    | (?<![\w-]){_TITLE}(?:Guidelines?|Consensus|Charter)(?![\w-])
    # A sentence begins with a capital too: Asthma guidelines.
    | (?<=[a-z0-9][ ]){_TITLE}guidelines?(?![\w-])""",
    re.VERBOSE,
)
YEAR_NEAR = re.compile(rf"(?<![\d./-]){YEAR}(?![\d/-])")

PMID = re.compile(
    r"\b(?:PMID|PubMed(?:[ ]ID)?|pubmed\.ncbi\.nlm\.nih\.gov/)[ :#]*(?P<id>\d{4,9})\b",
    re.IGNORECASE,
)
DOI = re.compile(r"\b10\.\d{4,9}/[^\s\"'<>)\]]+", re.IGNORECASE)
TRIAL = re.compile(r"\b(?:NCT\d{6,9}|ISRCTN\d{5,9}|EudraCT[ ]?\d{4}-\d{6}-\d{2})\b")
_SURNAME = r"(?:(?<![\w-])[A-Z][a-z'-]+(?:[A-Z][a-z]+)?)"
AUTHORS = re.compile(
    rf"""(?P<first>{_SURNAME})(?:[ ][A-Z]{{1,3}}\b)?(?:
      ,?[ ](?:et[ ]al\.?|and[ ](?:colleagues|coworkers|co-workers))
    | (?:[ ](?:and|&)[ ]{_SURNAME})?(?=,?[ ]\(?{YEAR}\))
    | ,[ ]{_SURNAME}[ ][A-Z]{{1,2}},[ ]et[ ]al\.?)""",
    re.VERBOSE,
)
NO_AUTHORS = frozenset(
    {
        "January", "February", "March", "April", "May", "June", "July", "August", "September",
        "October", "November", "December", "Standards", "Criteria", "Revised", "Guideline",
        "Guidelines", "Scale", "Index", "Score", "Classification", "Statement", "Act", "Report",
    }
)  # fmt: skip
"""Words that stand before a year in brackets as names of authors do."""
