"""Writes the quick-start data set: arterial blood gases, four primary disorders.

Every row is a short vignette with a pH, a PaCO2 and a bicarbonate, and asks which of four
primary acid-base disorders it shows. The scenarios were written by hand for medtune and the
values are sampled, so nothing here describes a real patient and no sentence has another source.

The values follow the formulas found in any textbook of physiology:

* Henderson–Hasselbalch: pH = 6.1 + log10(HCO3 / (0.0301 × PaCO2));
* normal ranges: pH 7.35–7.45, PaCO2 35–45 mmHg, HCO3 22–26 mmol/L;
* metabolic acidosis (Winters): PaCO2 = 1.5 × HCO3 + 8, within 2 mmHg;
* metabolic alkalosis: PaCO2 = 0.7 × HCO3 + 21, within 2 mmHg;
* respiratory acidosis: HCO3 rises by 1 (acute) to 4 (chronic) per 10 mmHg above 40;
* respiratory alkalosis: HCO3 falls by 2 (acute) to 5 (chronic) per 10 mmHg below 40.

``classify`` derives the answer again from the printed values alone; values for which it does not
give the intended answer are sampled again. Only simple disorders whose compensation has taken the
PaCO2 out of its normal range are kept. PaCO2 is in mmHg and HCO3 in mmol/L throughout, and the pH
and the PaCO2 carry a remark (low or high, reduced or raised), as a laboratory's print-out does:
the model has to learn the rule that joins the two remarks, and those two words alone do settle
the answer. A fifth of the rows have a neutral scenario, so that the scenario does not help there.
A scenario (the field ``group``) occurs in one split only.

Teaching data for software. Not for clinical use.

Usage: ``python make_rows.py [FOLDER]`` writes ``train.jsonl``, ``validation.jsonl`` and
``test.jsonl``, the same bytes every time.
"""

from __future__ import annotations

import json
import math
import random
import sys
from pathlib import Path

SEED = 20
OPTIONS = {
    "A": "metabolic acidosis",
    "B": "metabolic alkalosis",
    "C": "respiratory acidosis",
    "D": "respiratory alkalosis",
}
# Split: rows for each answer with a telling scenario, the same with a neutral one, and the number
# of scenarios set aside for it in each of the five lists below (None: those that are left).
SPLITS: dict[str, tuple[int, int, int | None]] = {
    "train": (96, 24, None),
    "validation": (8, 2, 2),
    "test": (32, 8, 8),
}

# "{p}" becomes a patient, such as "A 54-year-old woman".
STEMS: dict[str, tuple[str, ...]] = {
    "A": (
        "{p} with type 1 diabetes ran out of insulin three days ago.",
        "{p} has had profuse watery diarrhoea for four days.",
        "{p} with kidney failure has missed two dialysis sessions.",
        "{p} drank antifreeze and is now confused.",
        "{p} has blurred vision after drinking home-distilled spirits.",
        "{p} is in septic shock with a high lactate.",
        "{p} is pale and hypotensive after losing two litres of blood.",
        "{p} has sudden belly pain from a blocked mesenteric artery.",
        "{p} stopped eating after a week of heavy drinking and has ketones in the blood.",
        "{p} takes acetazolamide for glaucoma.",
        "{p} loses fluid through a high-output ileostomy.",
        "{p} had a long tonic-clonic seizure that has just ended.",
        "{p} takes metformin and has acute kidney injury.",
        "{p} with a distal tubule defect cannot lower the urine pH.",
        "{p} pulled from a house fire has suspected cyanide poisoning.",
        "{p} has a pancreatic fistula that drains a litre a day.",
        "{p} received seven litres of 0.9% saline during an operation.",
        "{p} in cardiogenic shock has cold hands and no urine output.",
        "{p} swallowed a bottle of iron tablets.",
        "{p} with untreated Addison disease has a high potassium.",
        "{p} feels weak years after a bladder was rebuilt from bowel.",
        "{p} with cholera has sunken eyes.",
        "{p} started topiramate for migraine last month.",
        "{p} has crushed legs, muscle breakdown and failing kidneys.",
        "{p} on linezolid for six weeks has a rising lactate.",
        "A toddler with gastroenteritis has passed loose stools for three days.",
        "{p} has uraemia and has refused dialysis.",
        "{p} sniffs glue every day and has weak legs.",
    ),
    "B": (
        "{p} has vomited everything for four days.",
        "{p} has had nasogastric suction for a week.",
        "{p} takes high-dose furosemide for heart failure and is dry.",
        "{p} has resistant hypertension from an aldosterone-secreting adenoma.",
        "{p} eats a bag of liquorice every day.",
        "A six-week-old boy has projectile vomiting after feeds.",
        "A woman in early pregnancy cannot keep any food down.",
        "{p} takes spoonfuls of baking soda for indigestion.",
        "{p} chews calcium carbonate tablets all day for heartburn.",
        "{p} takes a thiazide and has muscle cramps.",
        "{p} with bulimia has worn teeth and a low potassium.",
        "{p} has Cushing syndrome from a tumour that makes ACTH.",
        "{p} has gastric outlet obstruction from an old ulcer.",
        "{p} was given fifteen units of citrated blood yesterday.",
        "{p} with Bartter syndrome has a low potassium.",
        "{p} with Gitelman syndrome has a low magnesium.",
        "{p} has a venting gastrostomy that drains a litre a day.",
        "{p} has a narrowed renal artery and a high renin.",
        "{p} with ascites was given large doses of bumetanide.",
        "{p} uses slimming pills that contain a hidden diuretic.",
        "{p} with cystic fibrosis lost much salt in a heat wave.",
        "{p} takes three times the prescribed dose of fludrocortisone.",
        "{p} was given too much sodium bicarbonate on the ward.",
        "{p} loses gastric juice from a gastrinoma and frequent emesis.",
        "{p} has a potassium of 2.3 after months of indapamide.",
        "{p} with a high small bowel obstruction brings up all fluids.",
        "{p} cannot stop vomiting after chemotherapy.",
        "{p} has self-induced vomiting after every meal.",
    ),
    "C": (
        "{p} is drowsy with pinpoint pupils after injecting heroin.",
        "{p} with severe COPD became sleepy on high-flow oxygen.",
        "{p} with myasthenia has a weak cough and shallow breaths.",
        "{p} with Guillain-Barre syndrome has a falling vital capacity.",
        "{p} with a body mass index of 58 is sleepy by day.",
        "{p} took many diazepam tablets with alcohol.",
        "{p} is exhausted with a silent chest during an asthma attack.",
        "{p} with motor neurone disease has morning headaches.",
        "{p} has severe kyphoscoliosis and swollen ankles.",
        "{p} with a cord injury at C4 barely moves the chest.",
        "{p} is slow to wake after an anaesthetic.",
        "{p} choked on meat and has a blocked airway.",
        "{p} has a flail chest and tires after a car crash.",
        "{p} with muscular dystrophy sleeps badly and has a weak diaphragm.",
        "{p} has a brainstem stroke with slow breathing.",
        "{p} is on a ventilator whose rate was set too low.",
        "{p} with emphysema and a barrel chest is flushed and drowsy.",
        "{p} with botulism has drooping lids and weak breathing.",
        "{p} wears a fentanyl patch and breathes six times a minute.",
        "{p} has a large goitre that presses on the trachea.",
        "{p} was extubated before the muscle relaxant wore off.",
        "{p} with end-stage cystic fibrosis lung disease has a headache.",
        "{p} with myxoedema coma is cold and barely breathing.",
        "{p} with sleep apnoea was given morphine after an operation.",
        "{p} drank a bottle of methadone and is snoring.",
        "{p} has both halves of the diaphragm paralysed.",
        "{p} with bronchiectasis retains sputum and has a flapping tremor.",
        "{p} cannot lift the head after a krait bite.",
    ),
    "D": (
        "{p} has a panic attack with tingling fingers.",
        "{p} climbed to 4500 m two days ago.",
        "{p} has sudden chest pain and a clot in the lung.",
        "A woman 34 weeks pregnant feels well at a routine visit.",
        "{p} with cirrhosis and encephalopathy is breathing fast.",
        "{p} is on a ventilator whose rate was set too high.",
        "{p} with early pneumonia breathes 32 times a minute.",
        "{p} sobs and overbreathes after bad news.",
        "{p} with a mild asthma attack is breathing fast.",
        "{p} with a head injury breathes fast and deep.",
        "{p} breathes rapidly because of a painful broken rib.",
        "{p} has a fever of 40 C and rapid breathing.",
        "{p} feels light-headed with fear before a dental extraction.",
        "{p} with severe anaemia pants at rest.",
        "{p} with early lung fibrosis pants on the slightest effort.",
        "{p} has a subarachnoid haemorrhage and rapid deep breathing.",
        "{p} works at an observatory at 4200 m.",
        "{p} has a headache after flying to a city at 3600 m.",
        "{p} took fright in an MRI scanner and cannot stop gasping.",
        "{p} has mild pulmonary oedema and breathes 30 times a minute.",
        "{p} with an overactive thyroid is hot, shaky and breathing fast.",
        "A woman in labour breathes hard with every contraction.",
        "{p} blew up forty balloons and has hand spasms.",
        "{p} takes high-dose progesterone and breathes deeply.",
        "{p} has a small pneumothorax and is breathing quickly.",
        "{p} with encephalitis breathes forty times a minute.",
        "{p} flew a small plane without cabin pressure at 5000 m.",
        "{p} fainted at a concert after screaming and hyperventilating.",
    ),
    "neutral": (
        "{p} has a blood gas taken before elective surgery.",
        "{p} is seen in the emergency department.",
        "{p} is reviewed on the morning ward round.",
        "{p} is admitted and no history is available.",
        "{p} has routine blood tests on the ward.",
        "{p} is transferred from another hospital.",
        "{p} is a new patient in bed 12.",
        "{p} is brought in by ambulance without notes.",
        "{p} has a sample sent to the laboratory at noon.",
        "{p} joins a study and gives a blood sample.",
        "{p} is assessed by the night team.",
        "{p} is the third case in a quiz for students.",
        "{p} has an arterial line, and a gas is drawn.",
        "{p} comes to clinic for follow-up.",
        "{p} is seen by a locum doctor.",
        "{p} speaks no language that the staff know.",
        "{p} waits in a side room.",
        "{p} is examined in the acute medical unit.",
        "{p} has a result phoned through to the ward.",
        "{p} is handed over at the change of shift.",
        "{p} is discussed at a teaching session.",
        "{p} was referred by a general practitioner.",
        "{p} arrives while the computer system is down.",
        "{p} has blood taken by a medical student.",
        "{p} is due to go home tomorrow.",
        "{p} is presented at a case conference.",
    ),
}
PATIENTS = ("A{n} {age}-year-old man", "A{n} {age}-year-old woman", "A man of {age}",
            "A woman of {age}", "A{n} {age}-year-old")  # fmt: skip
VALUES = (
    "pH {ph} {ph_flag}, PaCO2 {paco2} {paco2_flag}, HCO3 {hco3}.",
    "Blood gas: pH {ph} ({ph_flag}), PaCO2 {paco2} mmHg ({paco2_flag}), HCO3 {hco3}.",
    "PaCO2 {paco2} {paco2_flag}, HCO3 {hco3}, pH {ph} {ph_flag}.",
)
ASKS = ("Which primary disorder?", "Primary disorder?")


def henderson_hasselbalch(paco2: float, hco3: float) -> float:
    """Returns the pH that goes with a PaCO2 (mmHg) and a bicarbonate (mmol/L)."""
    return 6.1 + math.log10(hco3 / (0.0301 * paco2))


def classify(ph: float, paco2: float, hco3: float) -> str | None:
    """Names the single primary disorder that explains three printed values.

    Args:
        ph: Arterial pH, to two decimals.
        paco2: Arterial carbon dioxide tension in mmHg.
        hco3: Bicarbonate in mmol/L.

    Returns:
        The letter of the disorder, or None where the values contradict one another, the pH is
        normal, or the compensation is not the one expected of exactly one disorder.
    """
    if abs(ph - henderson_hasselbalch(paco2, hco3)) > 0.00501:
        return None
    retained = (paco2 - 40) / 10
    found = []
    if ph < 7.35 and paco2 < 35 and abs(paco2 - (1.5 * hco3 + 8)) <= 2:
        found.append("A")
    if ph > 7.45 and paco2 > 45 and abs(paco2 - (0.7 * hco3 + 21)) <= 2:
        found.append("B")
    if ph < 7.35 and paco2 > 45 and retained - 1 <= hco3 - 24 <= 4 * retained + 1:
        found.append("C")
    if ph > 7.45 and paco2 < 35 and 5 * retained - 1 <= hco3 - 24 <= 2 * retained + 1:
        found.append("D")
    return found[0] if len(found) == 1 else None


def sample_values(rng: random.Random, answer: str) -> tuple[float, int, int]:
    """Draws a pH, a PaCO2 and a bicarbonate that show one disorder and no other."""
    while True:
        if answer in "AB":
            slope, offset, low, high = (1.5, 8, 6, 18) if answer == "A" else (0.7, 21, 30, 46)
            hco3 = rng.randint(low, high)
            paco2 = round(slope * hco3 + offset + rng.uniform(-2, 2))
        else:
            low, high, slopes = (50, 90, (1, 3.5, 4)) if answer == "C" else (16, 32, (2, 4, 5))
            paco2 = rng.randint(low, high)
            hco3 = round(24 + rng.choice(slopes) * (paco2 - 40) / 10)
        ph = round(henderson_hasselbalch(paco2, hco3), 2)
        if classify(ph, paco2, hco3) == answer:
            return ph, paco2, hco3


def write_question(rng: random.Random, stem: str, values: tuple[float, int, int]) -> str:
    """Puts a scenario, a patient, three values and the question into words."""
    age = rng.randint(19, 89)
    patient = rng.choice(PATIENTS).format(age=age, n="n" if age >= 80 else "")
    ph, paco2, hco3 = values
    parts = [
        stem.format(p=patient),
        rng.choice(VALUES).format(
            ph=f"{ph:.2f}",
            paco2=paco2,
            hco3=hco3,
            ph_flag="low" if ph < 7.35 else "high",
            paco2_flag="reduced" if paco2 < 35 else "raised",
        ),
    ]
    if rng.random() < 0.25:
        parts.reverse()
    return " ".join([*parts, rng.choice(ASKS)])


def make_rows(seed: int = SEED) -> dict[str, list[dict[str, object]]]:
    """Makes the rows of all splits.

    Args:
        seed: Seeds the only source of chance, so that the same seed gives the same rows.

    Returns:
        Split name to rows, shuffled within the split.
    """
    rng = random.Random(seed)
    numbers = {stem: n for n, stem in enumerate(s for kind in STEMS.values() for s in kind)}
    left = {kind: rng.sample(stems, len(stems)) for kind, stems in STEMS.items()}
    seen: set[str] = set()
    splits: dict[str, list[dict[str, object]]] = {}
    for split in sorted(SPLITS, key=lambda name: SPLITS[name][2] is None):
        telling, neutral, size = SPLITS[split]
        stems = {kind: pool[:size] for kind, pool in left.items()}
        left = {kind: pool[len(stems[kind]) :] for kind, pool in left.items()}
        drawn = []
        for answer in OPTIONS:
            for kind, count in ((answer, telling), ("neutral", neutral)):
                for n in range(count):
                    stem = stems[kind][n % len(stems[kind])]
                    question = ""
                    while not question or question in seen:
                        question = write_question(rng, stem, sample_values(rng, answer))
                    seen.add(question)
                    drawn.append((question, answer, f"stem-{numbers[stem] + 1:03d}"))
        rng.shuffle(drawn)
        splits[split] = [
            {"question": q, "options": OPTIONS, "answer_idx": a, "answer": OPTIONS[a],
             "group": g, "source": "medtune, generated by make_rows.py", "licence": "Apache-2.0"}
            for q, a, g in drawn
        ]  # fmt: skip
    numbered, serial = {}, 0
    for split in SPLITS:
        numbered[split] = [
            {"id": f"abg-{serial + n:04d}", **row} for n, row in enumerate(splits[split], start=1)
        ]
        serial += len(numbered[split])
    return numbered


def main(folder: Path) -> None:
    """Writes one JSON Lines file a split into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for split, rows in make_rows().items():
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / f"{split}.jsonl").write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
