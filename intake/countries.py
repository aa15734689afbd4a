"""Country names and codes to ISO 3166 alpha-2. Pure."""

import unicodedata

# Every officially assigned code.
_CODES = """
AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS
BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE
EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM
HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC
LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA
NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW
SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO
TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
"""
CODES = frozenset(_CODES.split())

# Code, then names in use for it, in English, German and the country's own language.
_NAMES = """
AE united arab emirates|uae|vereinigte arabische emirate
AR argentina|argentinien
AT austria|österreich|aut
AU australia|australien|aus
BA bosnia and herzegovina|bosnien und herzegowina
BE belgium|belgien|belgique|belgië|bel
BG bulgaria|bulgarien|bgr
BR brazil|brasilien|brasil|bra
CA canada|kanada|can
CH switzerland|schweiz|suisse|svizzera|che
CL chile
CN china|people's republic of china|chn
CO colombia|kolumbien
CY cyprus|zypern
CZ czechia|czech republic|tschechien|tschechische republik|česko|cze
DE germany|deutschland|ger|deu|brd|allemagne
DK denmark|dänemark|danmark|dnk
EE estonia|estland
EG egypt|ägypten
ES spain|spanien|españa|esp
FI finland|finnland|suomi|fin
FR france|frankreich|fra
GB united kingdom|great britain|vereinigtes königreich|großbritannien|england|uk|gbr|scotland|wales
GR greece|griechenland|grc
HK hong kong|hongkong
HR croatia|kroatien|hrvatska
HU hungary|ungarn|magyarország|hun
ID indonesia|indonesien
IE ireland|irland|irl
IL israel
IN india|indien|ind
IS iceland|island
IT italy|italien|italia|ita
JP japan|jpn
KE kenya|kenia
KR south korea|korea|republic of korea|südkorea
LI liechtenstein
LT lithuania|litauen
LU luxembourg|luxemburg|lux
LV latvia|lettland
MA morocco|marokko
ME montenegro
MK north macedonia|nordmazedonien
MT malta
MX mexico|mexiko|méxico|mex
MY malaysia
NG nigeria|nga
NL netherlands|the netherlands|niederlande|holland|nederland|nld
NO norway|norwegen|norge|nor
NZ new zealand|neuseeland|nzl
PE peru
PH philippines|philippinen
PK pakistan
PL poland|polen|polska|pol
PT portugal|prt
RO romania|rumänien|rou
RS serbia|serbien
RU russia|russian federation|russland|rus
SA saudi arabia|saudi-arabien
SE sweden|schweden|sverige|swe
SG singapore|singapur|sgp
SI slovenia|slowenien|slovenija|svn
SK slovakia|slowakei|slovensko|svk
TH thailand
TN tunisia|tunesien
TR turkey|türkei|türkiye|tur
TW taiwan
UA ukraine|ukr
US united states|united states of america|usa|u.s.a.|u.s.|vereinigte staaten|america|amerika
VN vietnam|viet nam
ZA south africa|südafrika|zaf
"""
_BY_NAME = {name: line[:2] for line in _NAMES.strip().splitlines() for name in line[3:].split("|")}


def country_code(text: str) -> str | None:
    """Return the alpha-2 code that a cell names by code or name, None when it names none."""
    folded = unicodedata.normalize("NFC", text).strip().casefold()
    code = folded.upper()
    return code if code in CODES else _BY_NAME.get(folded)
