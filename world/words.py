"""What people of the made-up world say. Pure; none of it holds a tab, a backslash or a newline."""

from collections.abc import Mapping

from leads.activities import Kind

# dimension → rating → quotes
QUOTES: Mapping[str, Mapping[int, tuple[str, ...]]] = {
    "budget": {
        0: ("There is no money for this and there will be none.", "We froze all spending."),
        33: ("I would have to find the money somewhere.", "Nothing is planned, but who knows."),
        67: ("It is pencilled in for next half-year.", "We paid about that much for the old one."),
        100: ("The budget is approved.", "We set the money aside in January."),
    },
    "authority": {
        0: ("I have no part in that.", "Head office decides, and they do not talk to us."),
        33: ("I could put in a word.", "I only collect offers."),
        67: ("My boss and I decide together.", "I prepare the decision, she signs."),
        100: ("That is my call.", "I sign for amounts like that."),
    },
    "need": {
        0: ("We are happy with what we have.", "That is not a problem of ours."),
        33: ("It is a nuisance at times.", "Perhaps later, it is bearable."),
        67: ("It costs us a day a week.", "We tried to fix it ourselves twice."),
        100: ("It stops the whole line.", "We lose customers over it."),
    },
    "timing": {
        0: ("Not in the next two years.", "We have just signed for five years with another."),
        33: ("Some time next year, maybe.", "There is no date."),
        67: ("In the second half of the year.", "Before the old contract ends."),
        100: ("We start next month.", "It has to run before the season."),
    },
}
UNQUOTED = ("They said so in passing.", "Asked twice, same answer.")

NOTES = (
    "Friendly talk. Wants examples from the same industry.",
    "Prefers mail to calls. Back from leave on Monday.",
    "Compares us with two others. Price came up early.",
    "Knows us from a former employer.",
    "Asked whether we speak with their works council.",
)
# Activity kind → what its data say: name of the field, values.
DATA: Mapping[str, tuple[str, tuple[str, ...]]] = {
    Kind.PAGE_VIEWED: ("page", ("/product", "/customers", "/checklist", "/integrations", "/about")),
    Kind.PRICING_VIEWED: ("page", ("/pricing",)),
    Kind.EMAIL_OPENED: ("subject", ("News of the month", "Invitation", "Your checklist")),
    Kind.EMAIL_CLICKED: ("subject", ("News of the month", "Invitation", "Your checklist")),
    Kind.FORM_SUBMITTED: ("form", ("Checklist", "Calculator", "Report")),
    Kind.WEBINAR_ATTENDED: ("webinar", ("Getting started", "What others do", "Ask us anything")),
    Kind.HAND_RAISED: ("form", ("Contact me", "Book a demo")),
    Kind.UNSUBSCRIBED: ("list", ("Newsletter",)),
    Kind.CALL_ATTEMPTED: ("result", ("No answer", "Voicemail", "Engaged")),
    Kind.CALL_CONNECTED: ("result", ("Talked", "Talked briefly")),
    Kind.MEETING_BOOKED: ("meeting", ("Demo", "First talk")),
    Kind.MEETING_HELD: ("meeting", ("Demo", "First talk")),
    Kind.EMAIL_SENT: ("subject", ("Following up", "The material you asked for")),
    Kind.EMAIL_REPLIED: ("subject", ("Re: Following up", "Re: The material you asked for")),
    Kind.NOTE: ("text", NOTES),
}
REASONS: Mapping[str, tuple[str, ...]] = {
    "won": ("",),
    "lost": (
        "No budget this year",
        "Chose a competitor",
        "Project stopped",
        "No answer any more",
        "Too expensive",
    ),
    "disqualified": ("No need", "Nobody who decides", "Student or job seeker"),
}
REST_REASONS = (
    "Not now: call again next season",
    "No budget before next year",
    "Waits for a merger",
)
# Activity kind → title of the follow-up that it was.
DONE: Mapping[str, tuple[str, tuple[str, ...]]] = {
    Kind.CALL_ATTEMPTED: ("call", ("First call", "Call back")),
    Kind.CALL_CONNECTED: ("call", ("First call", "Call again", "Call about the open questions")),
    Kind.MEETING_HELD: ("task", ("Demo", "First talk")),
    Kind.EMAIL_SENT: ("task", ("Send the material", "Send an example")),
}
