"""Money in minor units: reading and writing it. Pure."""

from decimal import ROUND_HALF_UP, Decimal

# ISO 4217 currencies whose minor unit is not a hundredth.
_NO_MINOR = frozenset(
    [
        "BIF",
        "CLP",
        "DJF",
        "GNF",
        "ISK",
        "JPY",
        "KMF",
        "KRW",
        "PYG",
        "RWF",
        "UGX",
        "UYI",
        "VND",
        "VUV",
        "XAF",
        "XOF",
        "XPF",
    ]
)
_THOUSANDTHS = frozenset(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"])
_SYMBOLS = {"EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥", "INR": "₹"}


def digits(currency: str) -> int:
    """Return how many decimal digits a currency has."""
    if currency in _NO_MINOR:
        return 0
    return 3 if currency in _THOUSANDTHS else 2


def major(minor: int, currency: str) -> Decimal:
    """Return an amount in whole units, with the currency's decimals."""
    return Decimal(minor).scaleb(-digits(currency))


def minor(amount: Decimal, currency: str) -> int:
    """Return an amount of whole units in minor units, half a minor unit rounded up."""
    return int(amount.scaleb(digits(currency)).quantize(Decimal(1), rounding=ROUND_HALF_UP))


def words(minor_units: int, currency: str, *, cents: bool = False) -> str:
    """Return "€12,400" or "CHF 12,400"; without `cents` in whole units, half up."""
    amount = major(minor_units, currency)
    places = digits(currency) if cents else 0
    amount = amount.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)
    sign = "−" if amount < 0 else ""
    symbol = _SYMBOLS.get(currency) or f"{currency}\u00a0"
    return f"{sign}{symbol}{abs(amount):,}"


def short(minor_units: int, currency: str) -> str:
    """Return an amount in three figures: "€412k", "€1.2M"."""
    amount = major(minor_units, currency)
    symbol = _SYMBOLS.get(currency) or f"{currency}\u00a0"
    for limit, unit in ((Decimal(10) ** 9, "bn"), (Decimal(10) ** 6, "M"), (Decimal(10) ** 3, "k")):
        if abs(amount) >= limit:
            scaled = amount / limit
            places = max(0, 2 - (len(str(int(abs(scaled)))) - 1))
            figures = f"{abs(scaled):.{places}f}"
            figures = figures.rstrip("0").rstrip(".") if "." in figures else figures
            return f"{'−' if scaled < 0 else ''}{symbol}{figures}{unit}"
    return words(minor_units, currency)
