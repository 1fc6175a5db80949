
set output
eval png
replot
set output
