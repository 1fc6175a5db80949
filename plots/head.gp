# head.gp: what all figures share. It comes before each script, behind the lines that set `name` (of the
# files), `data` (the CSV), `title` and `series` (what the first column of the data tells apart).
set encoding utf8
set datafile separator ','
set datafile commentschars ''
set datafile columnheaders

svg = "set terminal svg size 440,390 dynamic noenhanced font 'sans-serif,14' linewidth 1.4 " \
      ."background '#ffffff'; set output name.'.svg'"
png = "set terminal pngcairo size 880,780 noenhanced font 'Sans,14' fontscale 1.5 linewidth 2.8 " \
      ."pointscale 1.8 background '#ffffff'; set output name.'.png'"

key_font = |series| > 6 ? ',11' : ',13'

# From above: the title, three lines of key, the name of the vertical axis, the axes, where it is from.
set label 1 title at screen 0.03, screen 0.953 left font ',13'
set label 3 footer.', '.version at screen 0.03, screen 0.016 left font ',9' textcolor rgb 0x808080
set label 4 machine at screen 0.03, screen 0.044 left font ',9' textcolor rgb 0x808080
set key at screen 0.01, screen 0.918 left top vertical Left reverse maxrows 3 samplen 2 \
    width -1 font key_font
set margins at screen 0.155, screen 0.955, screen 0.225, screen 0.675
set border 3 linewidth 0.7
set xlabel offset 0, 0.7
set tics nomirror scale 0.6
set grid linetype 1 linecolor rgb 0xdcdfe3 linewidth 0.5

# Okabe and Ito's palette, which the colour-blind can tell apart; readable on white and on black.
array palette[7] = [0x0072b2, 0xd55e00, 0x009e73, 0xcc79a7, 0xe69f00, 0x56b4e9, 0x808080]

# Labels of a logarithmic axis: 1, 2 and 5 of each decade, only the decades when there are more than `most`.
array digits[3] = [1, 2, 5]
is_label(digit, low, high, most) = digit == 1 || log10(high / low) < most
text_s(s) = s < 0.99e-6 ? sprintf('%g ns', s * 1e9) : s < 0.99e-3 ? sprintf('%g µs', s * 1e6) : \
             s < 0.99 ? sprintf('%g ms', s * 1e3) : sprintf('%g s', s)

# How a kernel looks in every figure; rivals not named here take what is left of the palette.
is_bound(s) = s eq 'bandwidth bound' || s eq 'compute bound'
colour(s, i) = palette[s eq 'tuned' ? 1 : s eq 'default' ? 2 : s eq 'CLBlast' ? 3 : \
                       s eq 'OpenBLAS' ? 4 : is_bound(s) ? 7 : 5 + i % 2]
shape(s) = s eq 'tuned' ? 7 : s eq 'default' ? 5 : s eq 'CLBlast' ? 9 : s eq 'OpenBLAS' ? 11 : 13
dash(s) = s eq 'bandwidth bound' ? 2 : s eq 'compute bound' ? 3 : 1
thick(s) = s eq 'tuned' ? 1.7 : 1
size(s) = is_bound(s) ? 0 : 0.7

# Labels of an axis that come with the data are set by every row of a plot, also by those that it leaves out:
# they have a plot of their own, which shows nothing.
invisible = 0xff000000

# A share of the best, 0 to 1, as a colour: slow is vermilion, fast is blue, half way is grey.
mix(a, b, t) = int(a + (b - a) * t)
ramp(t, slow, half, fast) = t < 0.5 ? mix(slow, half, 2 * t) : mix(half, fast, 2 * t - 1)
clamp(t) = t < 0 ? 0 : t > 1 ? 1 : t
rgb_of(t) = 65536 * ramp(t, 0xd5, 0xcf, 0x00) + 256 * ramp(t, 0x5e, 0xcf, 0x72) \
    + ramp(t, 0x00, 0xcf, 0xb2)
shade(share) = rgb_of(clamp(share))
