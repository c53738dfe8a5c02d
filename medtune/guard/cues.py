r"""Words by which a sentence advises, warns, tells or leaves open. English only.

Regular expressions in verbose form: spaces are written ``\ ``, letter case does not count.
"""

import re


def _cue(words: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w'])(?:{words})(?!\w)", re.IGNORECASE | re.VERBOSE)


_HARM = r"""(?:death|fatal|liver|hepat\w+|kidney|renal|injur\w+|toxic\w*|overdos\w+|failure
    |damage|arrest|harm|defects?|malformations?|bleeding|seizures?|coma|depression|syndrome)"""

# Who must not do this to a drug has to take it; not where the list runs up to the place itself, as
# in "do not skip or stop": that is then what is denied.
_STOP = r"(?:stop|omit|miss|skip|discontinue)"
_CHANGE = r"(?:change|alter|adjust|double|increase|reduce|lower)"
_SKIP = rf"(?:{_STOP}|delay|withhold|forget(?!\ to))"

NOT_A_CUE = _cue(
    rf"""
    not\ only|no\ longer\ (?:contraindicated|avoided)|not\ contraindicated|not\ just|not\ merely
  | no\ (?:absolute\ |known\ )?contraindications?(?:\ (?:to|for)(?:\ the\ use\ of)?)?
  | (?:do\ not|\w+n't|(?:do(?:es)?\ not|\w+n't)\ (?:need|have)\ to|never|not
      |no\ (?:need|reason)\ to|without|rather\ than|cannot)\ (?:\w+ly\ )?
    (?:(?:delay|withhold|{_STOP}(?!(?:,\ \w+)*(?:,?\ n?or\ (?:\w+ly\ )?|,\ )\Z))
        (?:(?:,\ {_SKIP})*,?\ n?or\ (?:{_SKIP}|{_CHANGE}))?
      |delaying|hesitate\ to|withholding|forget\ to|wait(?:ing)?(?!\ until\ the)|avoid
      |worry|be\ afraid|fear|fret)
    (?:\ (?:for|giving|taking|using|about))?(?:\ the\ \w+)?
  | no\ (?:harm|risk|danger|problems?|issues?|concerns?|objections?|downsides?|drawbacks?)
    (?:\ (?:in|of|with|to|about))?
  | (?:cannot|can't)\ go\ wrong
  | no\ (?:upper\ )?(?:limit|maximum)|no\ (?:doubt|matter)|nothing\ (?:but|wrong\ with)
  | (?:is|are|was|were)(?:\ not|n't)\ (?:\w+ly\ )?(?:a\ |an\ |at\ all\ |too\ |that\ )?
    (?:problem|issue|concern|risk|harmful|dangerous|unsafe|much|high|toxic|excessive|unusual
      |uncommon|wrong|bad|inappropriate|unreasonable|overdose|mistake|error|big\ deal)
  | (?:does|do|will|would|should)(?:\ not|n't)\ (?:\w+ly\ )?
    (?:cause|harm|hurt|matter|be\ a\ problem|pose|lead\ to|affect|interfere)
  | without\ (?:(?:further|any|more)\ )?(?:delay|problems?|risk|harm|food|regard
      |interruption|concern|hesitation|\w+ing\ about)
  | (?:i|we)(?:\ have|'ve|\ am|\ are|'m|'re|\ will)?\ (?:\w+ly\ )?(?:prescribed|started|given
      |starting|recommended|increased|ordered|giving|prescribing)
  | to\ (?:stop|avoid|replace|remove)\ (?:the\ |his\ |her\ |your\ )?(?!\w+ing\b)\w+
  | not\ be\ (?:delayed|withheld|stopped|avoided|omitted)|need\ not\ be\ avoided|if\ not|not\ yet
  | (?:do\ )?not\ (?:to\ )?exceed(?:ing)?|not\ (?:better|alone)|is\ not\ enough|not\ improve\w*
    """
)
"""Words that hold a cue and mean the opposite; they are blanked out before cues are looked for."""

AGAINST_BEFORE = _cue(
    r"""
    do(?:es)?\ not|\w+n't|never|cannot|avoid(?:s|ed|ing|ance\ of)?|refrain(?:ing)?\ from|against
  | withhold(?:ing)?|hold(?:ing)?|stop(?:s|ping|ped)?|discontinu(?:e|es|ed|ing)|cease|quit
  | (?:should|must|may|can|could|would|will)\ not|under\ no\ circumstances
  | contraindicat(?:ed|ions?)\ (?:to|for|with|include)|instead\ of|rather\ than|in\ place\ of
  | (?:switch(?:ed|ing)?|chang(?:e|ed|ing)|convert(?:ed|ing)?)(?:\ \w+)?\ from|allerg(?:ic|y)\ to
  | preferred\ (?:over|to)|safer\ than|better\ than|unsafe\ to|dangerous\ to|harmful\ to
  | intoleran(?:t|ce)\ (?:of|to)|unless|neither|nor|inappropriate\ to|wrong\ to|error\ to
  | mistake\ to|risks?\ of|toxicity\ (?:of|from)|refuse[sd]?|alternatives?\ to|replace[sd]?
  | substitute\ for|remov(?:e|ed|ing)|paus(?:e|ing)|skip(?:ping|s)?|steer(?:ing)?\ clear\ of
  | stay(?:ing)?\ away\ from|lay\ off|hold\ off\ on|do\ without|contrary\ to|myth|rumou?r
  | what\ not\ to|rule\ out|other\ than|apart\ from|except|not\ appropriate\ to
    """
)
"""Reach to the end of their clause."""

AGAINST_NEAR = re.compile(
    r"(?<![\w'])(?:not|no|without)(?:[ ]+[\w'-]+){0,5}[^\w]*\Z", re.IGNORECASE
)
"""Reach over five words: no role for X; not with X."""

TAKES_THE_PLACE = _cue(
    r"""
    (?:switch|chang|convert)\w*\ (?:\w+\ )?from\ .*\ to|replac(?:e[sd]?|ing)\ (?:.*\ )?(?:with|by)\b
  | (?:instead\ of|rather\ than|in\ place\ of)\ .*
    \ (?:use|using|give|start|take|prescribe|choose|try|recommend|suggest|prefer|would|should)
    """
)
"""From a cue of the above up to what is advised instead of what the cue rejects."""
REJECTED_LIST = re.compile(
    r"(?:instead[ ]of|rather[ ]than|in[ ]place[ ]of)[ ].*,(?P<last>.*)\Z", re.IGNORECASE
)
"""With a comma alone: rather than A, B 5 mg daily; but also: rather than A, B or C, use D."""
ENDS_IN_A_LIST = re.compile(r"\b(?:and|or|nor)[ ](?:(?:any|all)[ ])?(?:other[ ])?\Z", re.IGNORECASE)
"""Before a place that belongs to what is rejected: rather than A, B or any other X."""
MAIN_CLAUSE = re.compile(
    r"""\A\W*(?:because|since|as|if|unless|when(?:ever)?|while|given|although|though|whereas|until|to|for
      |in[ ]order[ ]to|due[ ]to|owing[ ]to|with)\b.*(?P<comma>,)[ ]
      (?:(?!(?:and|or|nor)\b)[\w'-]+[ ]){0,4}\Z""",
    re.IGNORECASE | re.VERBOSE,
)
"""Up to the beginning of a main clause, behind another that ends with the comma."""
NONE_OF_THEM = re.compile(r"\W*(?:no|neither|none)\b", re.IGNORECASE)
"""Begins a clause whose end it denies as well: no A, B or X should be given."""
GOES_ON_AS_A_LIST = re.compile(r"\s*(?:,(?!\s*\d)|(?:and|or|nor)\b)", re.IGNORECASE)
"""Behind a place. Not: instead of A, B, 5 mg daily."""
REASON = re.compile(
    r",|[ ](?=as[ ](?:(?:the|his|her|your)[ ])?[\w-]+[ ](?:is|are|was|were|has|have)\b)",
    re.IGNORECASE,
)
"""What stands behind it is advice of something else: no A or B as C is preferred."""

AGAINST_BEHIND = _cue(
    rf"""
    (?:is|are|was|were|remains?|be|being)\ (?:absolutely\ |relatively\ |strictly\ |also\ )?
      (?:contraindicated|unsafe|dangerous|harmful|inappropriate|banned|withdrawn|not|no\ longer
        |teratogenic|toxic|prohibited|forbidden|discouraged|fatal|lethal|removed
        |associated\ with|too\ (?:much|high))
  | contraindicated|cannot|\w+n't
  | (?:should|must|can|may|could|would|will|do|does)\ (?:not|never)
  | (?:should|must|needs?\ to|has\ to|have\ to|ought\ to)\ be\ (?:\w+ly\ )?
      (?:avoided|stopped|withheld|discontinued|held|switched|replaced|paused)
  | not\ (?:recommended|advised|indicated|appropriate|safe|suitable)|to\ be\ avoided|avoided
  | (?:can|may|could|will|would)\ (?:be\ (?:fatal|lethal|dangerous|harmful|toxic)|worsen|harm|kill)
  | (?:can|may|could|will|would|has|have)?\ ?(?:causes?|caused|leads?\ to|results?\ in|triggers?)
      \ (?:\w+\ ){{0,3}}{_HARM}
  | have\ killed|crosses\ the\ placenta|carr(?:y|ies)\ (?:a|an)\ (?:\w+\ )?risk|poses?\ (?:a|an)
  | would\ be\ (?:a\ |an\ )?(?:\w+\ )?(?:error|mistake|overdose|dangerous|fatal|toxic|wrong)
  | is\ (?:a|an)\ (?:\w+\ )?(?:error|mistake|overdose)|withdrawn|off\ the\ market
  | decided\ against|ruled\ out|neither|out\ of\ the\ question|increases?\ the\ risk|worsens?
    """
)
AGAINST_RIGHT_BEHIND = re.compile(r"\W*(?:allerg(?:y|ies|ic)|intoleran)", re.IGNORECASE)
"""penicillin allergy; but not: diphenhydramine for an allergy."""

REPORTED_BEFORE = _cue(
    r"""
    (?:was|were|been|has|had|have|having|he|she|they|patient|who|i)\ (?:\w+ly\ )?
      (?:started|given|taking|taken|took|on|received|receiving|stopped|prescribed|ingested|using
        |used|treated|discontinued|skipped|quit|held|begun|began|accidentally|switched)
      (?:\ (?:on|with))?
  | ingested|overdosed|swallowed|history\ of|previously|last\ (?:year|month|week)|took
  | in\ the\ past|(?:wants?|wanted|wish(?:es|ed)?|hopes?|refused?|tried)\ to|allegedly
  | reports?\ (?:taking|having)|prior\ (?:use|to)|received|accidental(?:ly)?|underwent
    """
)
OPEN_BEFORE = _cue(
    r"""
    whether(?:\ or\ not)?(?:\ to)?|before|prior\ to|decides?\ (?:if|on|about)|discuss(?:ing)?
  | (?:ask|talk\ to|consult|check\ with|speak\ to)\ (?:\w+\ ){1,3}(?:if|about|before|whether)
  | if\ (?:you|he|she|they|the\ patient)|candidates?\ for|eligib\w+\ for|during|after|while
  | mechanism|causes?\ of|depends\ on|such\ as|effects?\ of|once\ (?:you|he|she)
    """
)
ADVISED_BEFORE = _cue(
    r"""
    (?:start|begin|administer|add|try|recommend|suggest|consider|order|offer|treat\ with
      |switch\ to|inject|apply|load|keep|restart|get)(?:s|ed|ing)?
  | (?:giv|tak|us|prescrib|continu|initiat|advis|choos|increas|resum|receiv)(?:e|es|ed|en|ing)
  | treat(?:ed|ment)?\ with|go\ for
    """
)
_IS_ADVISED = r"""
    (?:is|are|remains?|be)\ (?:\w+ly\ |also\ |both\ |the\ |a\ |an\ |still\ |very\ |most\ )*
      (?:good|best|better|great|first|preferred|recommended|indicated|appropriate|reasonable
        |suitable|safe|fine|effective|used|given|taken|started|continued|added|tried|prescribed
        |considered|option|choice|treatment|helpful|useful|acceptable|okay|ok|first-line
        |initiated|commenced|administered|simplest|sensible|standard|kinder|enough|start
        |excellent)
    """
IS_ADVISED = _cue(rf"{_IS_ADVISED}|instead|(?:is|be)\ worth|will\ (?:do|help|work)")
"""Behind a name that is the subject: X is the best choice."""
ADVISED_BEHIND = _cue(
    rf"""
    {_IS_ADVISED}
  | works?\ (?:very\ )?well|helps?|should\ help|improves?|lowers?|can\ help|the\ preferred|plus
  | first-line|q\d+h|(?:once|twice|three\ times)\ (?:a\ day|daily)|\d+\ ?(?:mg|mcg|g|units)
    """
)

_COMMAND = r"""(?:please\ )?(?:start|begin|give|take|use|try|add|switch|keep|go|call|continue|treat
    |prescribe|choose|recheck|see|bring|look|check|monitor|ask|present)\b"""
# Behind "and" they may go on with what is denied: do not panic and stop it.
_COMMAND_BEHIND_COMMA = r"""(?:please\ )?(?:stop|hold|discontinue|initiate|administer|commence
    |resume|increase|double|skip|quit|order|avoid|omit|reduce|do\ not|don't|never)\b"""
COMMAND_BEHIND_COMMA = re.compile(
    rf",[ ](?:{_COMMAND}|{_COMMAND_BEHIND_COMMA})", re.IGNORECASE | re.VERBOSE
)
"""Behind a negation its clause goes on, where an "or" may make a list of them."""
COMMAND_TO_DO = re.compile(rf",[ ]{_COMMAND}", re.IGNORECASE | re.VERBOSE)
"""Rather than to stop: you should not drive, take it or call."""
JOINED = re.compile(r"[^.;:]{0,60}?(?P<comma>,?)[ ]n?or\b", re.IGNORECASE)
"""Behind a place. With a comma it ends a list: do not panic, take it, or skip a meal."""
CLAUSE_END = re.compile(
    rf"""[;:]|(?<!\w)(?:but|however|yet|so)(?!\w)|(?=\b(?:although|though|whereas)\b)|\ -+\ |--
      | ,?\ (?:and|then|and\ then)\ (?={_COMMAND}|(?:he|she|it|they|we|you|i)\b)
      # Do not stop, skip or double it, and do not panic, stop it, or start another: one list each.
      | ,\ (?=(?:{_COMMAND}|{_COMMAND_BEHIND_COMMA})
          (?!(?:[^.;:]{{0,60}},?\ n?or\ (?:{_COMMAND}|{_COMMAND_BEHIND_COMMA}|change\b)
            |,?\ n?or\b)))
      | ,\ (?=(?:he|she|it|they|we|you|this|which|who|so|then|the|because|since|even
          |and\ (?:he|she|it|they|we|you|call))\b)
      | (?<=\w)\ (?=(?:because|since|so\ that)\b)
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""Where a clause ends, and with it the reach of a cue."""
PARENTHESIS = re.compile(
    r"(?:\b(?:not|never|cannot|circumstances)|n't),[^,;:.]{1,60},[ ]\Z", re.IGNORECASE
)
"""Behind such a comma a negation goes on: do not, under any circumstances, start it."""
CONDITION = re.compile(
    r"(?<=[\w)])[ ](?=(?:if|unless|when(?:ever)?|while|until|till)\b)", re.IGNORECASE
)
"""Behind it a sentence says when, and mostly nothing of what stands before: use X if Y is unsafe.
Not behind a subject, whose verb comes later: using X if you have Y is unsafe."""
IS_SUBJECT = re.compile(
    r"\A\W*(?:\w+ing|(?:the[ ])?use[ ]of|to[ ]\w+|any|no)\b[^,]*\Z", re.IGNORECASE
)
"""A clause up to a place that begins with its subject: taking X ..., whose verb comes later."""
_NO_SUBJECT = r"""(?:on|in|at|with|have|has|had|is|are|was|were|feels?|needs?|takes?|gets?|pregnant
    |breast\w*|ill|sick|unwell|old|young|weak|\w+ing|\w+ed)"""
CONDITION_DENIES = re.compile(
    rf"""[ ](?:if|unless|when(?:ever)?|while|until|till)[ ](?:(?!{_NO_SUBJECT}[ ])[\w-]+[ ]){{1,3}}
      (?:cannot|(?:is|are|was|were|does|do|has|have|can|could)(?:[ ]not|n't|[ ]contraindicated
        |[ ]unsafe|[ ]dangerous))\b""",
    re.IGNORECASE | re.VERBOSE,
)
"""A condition with a negation of its own: if acetaminophen is not tolerated."""
DENIES_A_LIST = re.compile(
    r"(?:do[ ]not|don't|never|(?:should|must|may)(?:[ ]not|n't)"
    r"|(?:dangerous|unsafe)[ ]to|under[ ]no[ ]circumstances)\b"
    r"(?![ ](?:have|has|need|be|mind|worry|require|want|delay|wait|hesitate)\b"
    r"|[ ]panic,[ ](?![^.;:,]{0,60},[ ]n?or\b))",
    re.IGNORECASE,
)
"""A negation that goes on over commands: do not stop it, skip a dose or change brands; do not
panic, stop it, or skip a dose. Not: you do not have a fever, take it or call; do not panic, take it
or call."""
URGED = re.compile(
    rf"""(?:\A\W*|,\ |\b(?:and|then|also|now|please|just|i|we|should|must|can|could|may|might|would
      |will)\ (?:\w+ly\ )?)
      (?:{_COMMAND}|(?:administer|initiate|commence|apply|inject|load|recommend|suggest|increase
        |resume|stop|hold|discontinue|skip|quit|order)\b)(?!\ of\b)""",
    re.IGNORECASE | re.VERBOSE,
)
"""A command, or what comes to one: you should start."""
