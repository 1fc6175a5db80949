# heat.gp: what heat.sql finds: a cell for each pair of values, the share of the best as colour and number;
# hatched where nothing ran, a pattern for each way to fail.
stats data using 'x' nooutput
columns = STATS_max
stats data using 'y' nooutput
rows = STATS_max
set xrange [0.5:columns + 0.5]
set yrange [0.5:rows + 0.5]
set border 0
unset grid
set margins at screen 0.155, screen 0.955, screen 0.225, screen 0.79
set key maxrows 1
set tics scale 0
set xlabel x_title
set label 2 y_title.'; the numbers are % of the best speed' \
    at screen 0.03, screen 0.84 left
tic_font = columns > 7 ? ',11' : ',13'
set xtics () font tic_font
set ytics () font ',11'
small = columns > 8 ? ',8' : columns > 5 ? ',10' : ',12'
is_measured(s) = s eq 'measured'
mine(i, is) = strcol('series') eq series[i] && is_measured(series[i]) == is
cell(i, is) = mine(i, is) ? column('x') : NaN
array hatch[7] = [4, 5, 1, 2, 6, 7, 4]
kind(i) = hatch[1 + (i - 1) % 7]
eval svg
plot data using 'x':'y':xtic(strcol('x_label')):ytic(strcol('y_label')) \
        with dots linecolor rgb invisible notitle, \
    for [i = 1:|series|] data using (cell(i, 1)):'y':(0.47):(0.46): \
        (shade(column('percent') / 100)) \
        with boxxyerror fillstyle solid 1 noborder linecolor rgb variable notitle, \
    for [i = 1:|series|] data using (cell(i, 0)):'y':(0.47):(0.46) \
        with boxxyerror fillstyle pattern kind(i) border rgb 0x808080 linecolor rgb 0x808080 \
        title is_measured(series[i]) ? '' : series[i], \
    for [i = 1:|series|] data using (cell(i, 1)):'y':(sprintf('%.0f', column('percent'))): \
        (column('percent') < 25 || column('percent') > 75 ? 0xfefefe : 0x101010) \
        with labels font small textcolor rgb variable notitle
