"""What people say when they want a text read in a way: words for each tag, which `phrasings.py` puts into sentences.

No idiom is a held-out sentence of `tags.py` with a word changed, though frames come near some (`be loud`): what is
asked there is whether words are understood in other sentences. Their words are here, since nobody could know what a
word means that training never had.
"""

from __future__ import annotations

from collections.abc import Mapping


def _listed(words: str) -> tuple[str, ...]:
    return tuple(one.strip() for one in words.split(";"))


# How something is said: what fits behind `say it`.
WAYS: Mapping[str, tuple[str, ...]] = {
    "fast": _listed(
        "fast; faster; quickly; more quickly; at a high speed; in a hurry; quick; in a rush; rapidly; swiftly; with "
        "speed; at double speed; at a fast pace; at a quick pace; as fast as you can; twice as fast; in no time; as "
        "if you were late; at top speed; in a rapid tone; snappy; like a race; with no time to lose; before time runs "
        "out"
    ),
    "slow": _listed(
        "slow; slower; slowly; more slowly; at a low speed; without a hurry; without any rush; at a slow pace; at "
        "half speed; as slowly as you can; without hurrying; bit by bit; word by word; half as fast; as if you had "
        "all day; at a leisurely pace; like a snail; at the pace of a snail; as if you were in no hurry; with time "
        "between the words; at an easy pace; one word at a time"
    ),
    "high": _listed(
        "high; higher; with a higher voice; in a high voice; at a high pitch; with your voice up; at a higher pitch; "
        "in a higher tone; with a high pitch; as high as you can; in a squeaky voice; up high; like a mouse; like a "
        "cartoon; like a little girl; like a bird; an octave higher; with a raised pitch; from high up"
    ),
    "low": _listed(
        "low; lower; deep; deeper; with a deeper voice; at a low pitch; with your voice down; at a lower pitch; in a "
        "deep voice; in a lower tone; with a low pitch; as low as you can; like a bear; from deep down; an octave "
        "lower; like an old man; like a giant; in a bass voice; with a lowered pitch; from your chest"
    ),
    "loud": _listed(
        "loud; louder; loudly; with more volume; with force; at full volume; as loud as you can; in a loud voice; at "
        "the top of your voice; loud and clear; so that everybody can hear it; as if i were far away; at a high "
        "volume; so i can hear you; at the top of your lungs; over the noise; as if the room were full; like in a "
        "stadium; with a strong voice; out loud"
    ),
    "soft": _listed(
        "soft; softly; quietly; quieter; with less volume; gently; in a quiet voice; in a soft voice; with a gentle "
        "voice; as quietly as you can; at a low volume; with little volume; as if a baby were asleep; softer; "
        "faintly; as if somebody slept beside you; at half volume; so that nobody wakes up; like in a church; with a "
        "low volume; in hardly more than a breath of sound"
    ),
    "monotone": _listed(
        "flat; in one tone; like a robot; without melody; as a machine would; with the same pitch all the time; "
        "flatly; in a flat voice; without any melody; without emotion; without feeling; on one note; without ups and "
        "downs; like a computer; in a dull voice; mechanically; deadpan; without intonation; with no intonation; like "
        "reading a list; as if you were bored; with no expression; like a phone menu; evenly"
    ),
    "lively": _listed(
        "lively; with life; with a lot of melody; with energy; with a tone that changes; with a lot of change in your "
        "pitch; with expression; with ups and downs; in a lively voice; with excitement; with feeling; as if it were "
        "exciting; like a story teller; with passion; vividly; with intonation; with a lot of intonation; as if "
        "telling a story; as if you told children a story; like a show host; in a sing song way; with a voice that "
        "rises and falls; in a bright and moving way"
    ),
    "whisper": _listed(
        "in a whisper; under your breath; without your voice; as a secret; with no voice at all; whispering; with a "
        "whisper; in a hushed voice; with breath alone; so that only i can hear it; into my ear; secretly; with only "
        "breath; like telling a secret; as if somebody could hear us; whispered; in whispers; behind your hand"
    ),
    "happy": _listed(
        "happily; with joy; with a smile; as if you were happy; in a happy mood; joyfully; cheerfully; gladly; in a "
        "happy voice; with a laugh; as if you had won; as if you had good news; like it is your birthday; in a good "
        "mood; as if you had won a prize; as if it were a party; with delight; as if you had wonderful news; like "
        "somebody in love; full of joy; with happiness"
    ),
    "sad": _listed(
        "sadly; with sorrow; in tears; as if you were sad; in a sad mood; unhappily; mournfully; in a sad voice; with "
        "grief; with a broken heart; as if you were crying; as if you had lost a friend; as if you had bad news; in a "
        "bad mood; as if at a funeral; like somebody who lost everything; with tears in your eyes; full of grief; "
        "with sadness; as if all were lost; like a sad child"
    ),
    "angry": _listed(
        "angrily; in a rage; with anger; as if you were angry; in an angry mood; furiously; in an angry voice; with "
        "fury; with rage; as if you were mad; as if i had insulted you; through your teeth; as if you had been "
        "cheated; like a boss who is mad; full of anger; full of rage; as if you had enough; with a temper; like you "
        "hate it"
    ),
}
# What a voice is: what fits behind `sound`.
QUALITIES: Mapping[str, tuple[str, ...]] = {
    "fast": _listed("fast; faster; quick; quicker; rapid; speedy; hurried"),
    "slow": _listed("slow; slower; sluggish; unhurried"),
    "high": _listed("high; higher; high pitched; squeaky; shrill"),
    "low": _listed("low; lower; deep; deeper; low pitched"),
    "loud": _listed("loud; louder; noisy; booming"),
    "soft": _listed("soft; softer; quiet; quieter; gentle; faint"),
    "monotone": _listed("flat; flatter; dull; boring; monotonous; mechanical; robotic"),
    "lively": _listed("lively; livelier; animated; energetic; expressive; excited; vivid"),
    "whisper": _listed("hushed; breathy; voiceless; secretive"),
    "happy": _listed("happy; happier; glad; cheerful; joyful; merry; delighted"),
    "sad": _listed("sad; sadder; unhappy; gloomy; sorrowful; miserable; heartbroken"),
    "angry": _listed("angry; angrier; mad; furious; cross; annoyed; outraged"),
}
# Not to be the one is to be the other.
_PAIRS = (("fast", "slow"), ("high", "low"), ("loud", "soft"), ("monotone", "lively"), ("happy", "sad"))
OPPOSITES: Mapping[str, str] = {one: other for pair in _PAIRS for one, other in (pair, pair[::-1])}
# What no frame makes.
IDIOMS: Mapping[str, tuple[str, ...]] = {
    "fast": _listed(
        "get on with it; pick up speed; make it quick; do it quickly; go faster; about twice as fast; do not take "
        "your time; do not wait; rush; speed up; speed it up; hurry; hurry it up; i am in a hurry; we have no time; "
        "run through it; race through it; rush through it; do not dawdle; do not drag it out; pick up the pace; more "
        "speed; step on it; raise the speed; i do not have all day; be fast with your voice; let us go; come on; make "
        "it snappy; no time to lose; get going; do not stop; shorter time please"
    ),
    "slow": _listed(
        "slow down; there is no rush; do not hurry; never rush; go slower; give it time; do not speed up; slow it "
        "down; no rush; no hurry; we have time; do not rush the words; do not rush through it; do not race; do not "
        "run through it; no need to rush; no need to hurry; less speed; lower the speed; hold your horses; give each "
        "word its time; stretch the words; drag it out; i can not follow you; take it slow; do not be in a rush; go "
        "slow with your voice; relax; be patient; all in good time; a snail would do; pause between the words; wait "
        "between the words; do it in your own time; there is plenty of time"
    ),
    "high": _listed(
        "go up; make it higher; move your pitch up; let your voice rise; your voice must be higher; do not speak low; "
        "bring your voice up; go higher; raise the pitch; raise your tone; lift your pitch; lift your voice; turn the "
        "pitch up; pitch it up; your pitch is too low; go up in pitch; up with the pitch; take your pitch up; squeak; "
        "climb an octave; take it an octave up; up an octave; sing it to the birds; reach for the high notes; put "
        "your voice up"
    ),
    "low": _listed(
        "go down; make it deeper; move your pitch down; let your voice sink; your voice must be deeper; do not speak "
        "high; bring your voice down; go lower; go deeper; lower the pitch; lower your tone; drop your pitch; drop "
        "the pitch; turn the pitch down; pitch it down; your pitch is too high; go down in pitch; down with the "
        "pitch; take your pitch down; take it an octave down; down an octave; reach for the low notes; growl; put "
        "your voice down; make it a bass"
    ),
    "loud": _listed(
        "more volume; volume up; make it louder; raise the volume; turn it up; shout a little; shout; yell; crank it "
        "up; crank up the volume; i can not hear you; i hear nothing; nobody can hear you; let everybody hear; "
        "increase the volume; boost the volume; more power; make some noise; do not mumble; do not hold back; your "
        "volume is too low; make more noise; speak out; do not whisper; shout with your voice; i can hardly hear you; "
        "i can barely hear it; louder than that; fill the room; wake everybody up; do not be shy; turn up the sound; "
        "use your big voice"
    ),
    "soft": _listed(
        "less volume; volume down; make it quieter; lower the volume; turn it down; do not shout; decrease the "
        "volume; reduce the volume; drop the volume; not so much volume; the baby is asleep; do not wake the baby; do "
        "not wake anybody; easy on the volume; your volume is too high; make less noise; do not yell; do not make "
        "noise; keep it down; keep the volume low; my head hurts; be gentle with your voice; you are hurting my ears; "
        "people are asleep; easy on my ears; be kind to my ears; turn down the sound; calm your voice; use your "
        "little voice; that is a lot of noise"
    ),
    "monotone": _listed(
        "keep your pitch; do not vary your tone; never change your tone; your pitch must not change; be a robot; you "
        "are a machine; no melody; no emotion; no feeling; no expression; no ups and downs; drop the melody; stay on "
        "one note; keep one note; stay at one pitch; hold your pitch; keep it flat; keep your tone even; do not move "
        "your pitch; leave out the melody; be a computer; you are a robot; stay on one note with your voice; do not "
        "use any melody; no intonation; no intonation please; do not put anything into it; deliver it deadpan; drop "
        "all expression; leave the feeling out; hold one note; take the melody out"
    ),
    "lively": _listed(
        "vary your tone; change your pitch a lot; your pitch must vary; show some energy; put some life into it; "
        "energy please; do not keep one tone; more melody; more life; more energy; more expression; more ups and "
        "downs; bring it to life; give it some life; let your tone dance; play with your voice; play with your pitch; "
        "move your pitch; let your pitch go up and down; wake up a bit; do not be a robot; show some life; add some "
        "melody; be a story teller; put expression into it; put more expression into it; put feeling into it; let "
        "your voice rise and fall; go up and down with the tone; do not be so stiff; make it interesting; make me "
        "listen; surprise me"
    ),
    "whisper": _listed(
        "it is a secret; nobody must hear you; tell me in secret; keep your voice off; only whisper; do not use your "
        "voice; no voice; no voice please; leave out your voice; leave your voice out; whisper; keep it secret; tell "
        "nobody; between you and me; just between us; breathe it; only breathe it; use only breath; turn off your "
        "voice; do not let anybody hear it; do not say it aloud; we are in hiding; do not be heard; nobody else may "
        "hear; breath only; whisper to me; no sound from your throat; keep it between us; make it a secret"
    ),
    "happy": _listed(
        "you are happy; your mood is good; smile; show joy; cheer up; be full of joy; you have good news; this is "
        "good news; you just won; it is your birthday; laugh a little; put a smile in it; what a lovely day; enjoy "
        "it; show some joy; do not cry; you feel great; sound like you have good news; you won a prize; celebrate; be "
        "of good mood; let me hear you smile; let me hear your joy; everything is fine; the sun is out; love it"
    ),
    "sad": _listed(
        "you are sad; your mood is bad; cry; show sorrow; this is bad news; you have bad news; you just lost; weep; "
        "weep a little; you lost a friend; let the tears come; show your grief; do not smile; do not laugh; what a "
        "sad day; you feel down; you feel bad; sound like you have bad news; you are at a funeral; everything is "
        "lost; let me hear your grief; let me hear you cry; mourn; sob; your heart is broken; nothing is fine"
    ),
    "angry": _listed(
        "you are angry; show your temper; be mad; show anger; do not be nice; get mad; you are furious; you are mad "
        "at me; i made you angry; scold me; tell me off; be full of rage; show your rage; let the anger out; you hate "
        "this; do not be calm; blow up; you have had enough; sound like you hate me; you were cheated; let me hear "
        "your anger; growl at me; make me afraid; you can not stand it; snap at me; this makes you mad"
    ),
}
