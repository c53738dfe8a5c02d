"""Words by which an unknown drug is told from ordinary English."""

_STEMS_TEXT = """
    mab nib pril prilat sartan olol dipine vastatin cillin cycline mycin micin floxacin oxacin
    conazole prazole nidazole azole ciclovir cyclovir tegravir buvir tidvir gliptin gliflozin
    glitazone glutide parin xaban gatran triptan setron tidine caine curonium azepam zolam
    barbital oxetine triptyline peridol idone apine lukast solone sone onide dronate platin
    rubicin taxel abine trexate tecan poietin grastim kinra stigmine zosin semide thiazide
    tiazem afil penem bactam fungin profen fenac coxib codone morphone fentanil fentanyl nidine
    lazine zepine gabalin racetam toin phosphamide sentan vaptan renone lactone bital ridone
    zodone faxine pramine tadine rizine xaflozin melteon orexant cept
"""
STEMS = tuple(_STEMS_TEXT.split())
"""Endings that the WHO gives to generic names of one class (written down from memory), of those
that English words seldom share."""

LOOKALIKES = frozenset({"concept", "intercept", "precept"})
"""English words that end like a drug's name."""

_ORDINARY_TEXT = """
    a about above across add additional administer adult adults after again against age aged all
    almost along also although among amount an and another any approx approximately are around
    as at average averages baby be because bedtime been before begin being below best between
    beyond big blue bolus both boy brand but by called can capsule capsules carbonate change
    child children chloride consume consumes containing contains continue could cr cream daily
    day decrease did different disp do does dosage dose doses down drink drinks drip drops drug
    drugs during each eat eats eight either enough equal equals equivalent er even evening every
    exactly extended extra father female few fine first five food for four from full further gel
    generic get gets girl give given goal good got great green had half has have having hcl he
    her here high higher his hour how however hydrochloride i if im immediate immediately in
    increase infant infants infuse infusion inhaled initial inject injection into intramuscular
    intramuscularly intravenous intravenously ir is it its iv juice just la large larger later
    least left less level levels like limit limits little load loading low lower maintenance
    male man many max maximum may mcg meal meals mean median medication medicine medicines mg
    might milk min minimum minus minute ml month monthly more morning most mother mouth much
    must my near nearly nebulized need needs neither new newborn newborns next night nightly
    nine no noon nor normal not now of off ointment old on once one only onto or oral orally
    order other our out over past patch patient patients per pill pills pink plan please plus po
    powder pr prescribe provide provides push qty raise range rate receive received receives
    rectal red reduce regimen release repeat right roughly round route rx safe said same sc
    second seven shall she should sig since single six sl small smaller so sodium solution some
    spray sr standard start still strength subcut subcutaneous subcutaneously sublingual
    sublingually subq succinate such sulfate sulphate suspension switch syrup tablet tablets
    take taken target tartrate ten test than that the their then therapy there these they third
    this those though three through time times titrate to today tomorrow too topical total
    toward towards treatment try twice two typical under unit units unless until up upon use
    used uses using usual value versus very volume want was water we week weekly weighed weight
    well were what when where whether which while white who why will with within without woman
    would xl xr year yellow yes yesterday yet you your
"""
ORDINARY = frozenset(_ORDINARY_TEXT.split())
"""Words that stand right before an amount and are no drug's name."""

ORDINARY_ENDINGS = (
    "ing", "ed", "ly", "ion", "ions", "ment", "ness", "ity", "ous", "ful", "less", "able", "ible",
    "ance", "ence", "ship", "ward", "ism", "ist",
)  # fmt: skip
"""Endings that drugs' names do not have."""
